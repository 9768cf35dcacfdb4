"""Hosts that are heard are written down together, soon, and at once when it matters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from agents.wire.reports import DomainStates
from tests.hosts.agents_edge import AgentSide, enrol
from tests.support.rooms import add_host, fresh_database
from tests.support.running_cloud import wait_until
from webcloud.db import Database, now
from webcloud.errors import Unavailable
from webcloud.hosts import events, hearing, presence
from webcloud.hosts.models import Host

LONG_AGO = timedelta(minutes=5)


@pytest.fixture
def rooms(tmp_path: Path) -> Database:
    return fresh_database(tmp_path)


def put(database: Database, count: int, **columns: Any) -> list[str]:
    with database.transaction() as session:
        values = {"last_seen_at": now() - LONG_AGO, **columns}
        return [add_host(session, f"n{number}", **values).id for number in range(count)]


def heard(database: Database) -> set[str]:
    with database.reading() as session:
        return {host.id for host in session.query(Host) if presence.is_heard(host)}


@pytest.fixture
def writings() -> Iterator[list[int]]:
    """Grows by one with each commit of a transaction that may write."""
    found: list[int] = []

    def committed(session: Session) -> None:
        if session.info.get("write"):
            found.append(1)

    event.listen(Session, "after_commit", committed)
    yield found
    event.remove(Session, "after_commit", committed)


def test_what_many_hosts_say_is_written_once(rooms: Database, writings: list[int]) -> None:
    ids = put(rooms, 50)
    presence.heard(rooms, ids[0])
    writings.clear()
    for host_id in ids:
        presence.heard(rooms, host_id)
    assert heard(rooms) == {ids[0]}
    assert writings == []
    hearing.of(rooms)._written_at -= hearing.WRITE_SECONDS
    presence.heard(rooms, ids[1])
    assert heard(rooms) == set(ids)
    assert writings == [1]


def test_hosts_that_come_back_together_share_what_is_written(
    rooms: Database, writings: list[int]
) -> None:
    ids = put(rooms, 20)
    writings.clear()
    # As if one thread was writing all the time.
    with hearing.of(rooms)._writing:
        threads = [threading.Thread(target=presence.note, args=(rooms, each)) for each in ids]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(hearing.of(rooms)._moments) == len(ids), 30)
    for thread in threads:
        thread.join()
    assert heard(rooms) == set(ids)
    assert writings == [1]


def test_a_silent_host_that_answers_a_ping_is_back(rooms: Database) -> None:
    [host_id] = put(rooms, 1, silent_since=now() - LONG_AGO)
    presence.heard(rooms, host_id)
    with rooms.reading() as session:
        assert session.get_one(Host, host_id).silent_since is None
        assert [each.kind for each in events.of_host(session, host_id)] == ["back"]


def test_a_host_that_was_given_up_is_not_heard_through_a_connection_it_still_holds(
    rooms: Database,
) -> None:
    [host_id] = put(rooms, 1, credential_hash="", silent_since=now() - LONG_AGO)
    presence.heard(rooms, host_id)
    assert heard(rooms) == set()
    with rooms.reading() as session:
        assert session.get_one(Host, host_id).silent_since is not None


def test_what_could_not_be_written_is_written_later(
    rooms: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [host_id] = put(rooms, 1)

    def refuse(*_: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(hearing, "write", refuse)
        presence.heard(rooms, host_id)
        with pytest.raises(Unavailable):
            presence.note(rooms, host_id)
    assert heard(rooms) == set()
    hearing.of(rooms)._written_at -= hearing.WRITE_SECONDS
    presence.heard(rooms, host_id)
    assert heard(rooms) == {host_id}


def test_nobody_waits_for_another_that_writes(rooms: Database) -> None:
    [host_id] = put(rooms, 1)
    with hearing.of(rooms)._writing:
        presence.heard(rooms, host_id)
    assert heard(rooms) == set()


def test_a_row_is_never_set_back_by_an_older_moment(rooms: Database) -> None:
    [host_id] = put(rooms, 1, last_seen_at=now())
    with rooms.transaction() as session:
        hearing.write(session, {host_id: now() - LONG_AGO})
    assert heard(rooms) == {host_id}


def test_a_jump_of_the_clock_forgets_moments_of_the_old_time(rooms: Database) -> None:
    ids = put(rooms, 2)
    presence.heard(rooms, ids[0])
    presence.heard(rooms, ids[1])
    presence.clock_jumped(rooms, 0.0)
    assert hearing.of(rooms)._moments == {}


def test_an_unchanged_list_of_domains_writes_nothing(app: Flask, database: Database) -> None:
    agent = enrol(app, "n1")
    with database.transaction() as session:
        host = session.get_one(Host, agent.host_id)
        host.last_seen_at = now()
    assert tell(agent, 5) == {"again": False}
    with database.reading() as session:
        assert session.get_one(Host, agent.host_id).reporting_sequence == 0


def tell(agent: AgentSide, sequence: int) -> Any:
    answer = agent.post(
        "domains", {"run_id": "r", "sequence": sequence, "full": True, "domains": [], "gone": []}
    )
    assert answer.status_code == 200
    return answer.json


def test_an_older_message_is_not_taken_although_the_newer_one_changed_nothing(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, taken = enrol(app, "n1"), []

    def observer(_session: object, _host: Host, states: DomainStates) -> bool:
        taken.append(states.sequence)
        return states.sequence == 7

    monkeypatch.setattr("webcloud.hosts.observers._states", [observer])
    assert tell(agent, 6) == {"again": False}
    assert tell(agent, 5) == {"again": False}
    assert tell(agent, 7) == {"again": True}
    assert taken == [6, 7]
