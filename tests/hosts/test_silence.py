"""Silence is noticed by a timer, told, and forgotten as soon as the host speaks."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from agents.wire.commands import ReadConsoleLog
from tests.hosts.agents_edge import AgentSide, enrol
from tests.support.rooms import add_host, fresh_database
from webcloud.db import Database, now
from webcloud.errors import Unavailable
from webcloud.hosts import events, hearing, presence, questions, silence
from webcloud.hosts.models import Host
from webcloud.live import pings, publish, socket


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A controller that has listened for an hour, without a break."""
    monkeypatch.setattr(presence, "_listening_since", now() - timedelta(hours=1))
    monkeypatch.setattr(silence, "_looked_at", time.monotonic())
    return fresh_database(tmp_path)


def put(database: Database, seconds: float | None) -> str:
    """A host last heard so many seconds ago."""
    with database.transaction() as session:
        heard = None if seconds is None else now() - timedelta(seconds=seconds)
        return add_host(session, last_seen_at=heard).id


def look(database: Database, host_id: str) -> tuple[Host, list[str]]:
    with database.reading() as session:
        kinds = [event.kind for event in events.of_host(session, host_id)]
        return session.get_one(Host, host_id), kinds


def test_a_host_is_noticed_as_silent_once(rooms: Database) -> None:
    host_id = put(rooms, 13)
    silence.notice(rooms)
    silence.notice(rooms)
    host, kinds = look(rooms, host_id)
    assert host.silent_since == host.last_seen_at
    assert kinds == ["silent"]


def test_what_was_heard_a_moment_ago_counts_before_it_is_written_down(rooms: Database) -> None:
    ago = now() - timedelta(seconds=13)
    with rooms.transaction() as session:
        spoke, silent = (add_host(session, name, last_seen_at=ago).id for name in ("n1", "n2"))
    heard = hearing.of(rooms)
    heard._written_at = time.monotonic()  # Just now, so that hearing alone does not write.
    heard.heard(rooms, spoke)
    silence.notice(rooms)
    assert look(rooms, spoke)[1] == []
    assert look(rooms, silent)[1] == ["silent"]


def test_pings_come_often_enough_that_no_host_seems_silent() -> None:
    late = pings.TOGETHER_SECONDS + hearing.WRITE_SECONDS
    assert socket.PING_SECONDS + late < presence.SILENT_AFTER.total_seconds()


def test_silence_is_shown_within_fifteen_seconds() -> None:
    assert presence.SILENT_AFTER.total_seconds() + silence.EVERY_SECONDS < 15


@pytest.mark.parametrize("seconds", [5, None])
def test_a_host_heard_just_now_or_never_is_not_silent(
    rooms: Database, seconds: float | None
) -> None:
    host_id = put(rooms, seconds)
    silence.notice(rooms)
    assert look(rooms, host_id)[1] == []


def test_a_controller_that_has_been_asleep_listens_first(
    rooms: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_id = put(rooms, 60)
    monkeypatch.setattr(silence, "_looked_at", time.monotonic() - 60)
    silence.notice(rooms)
    assert look(rooms, host_id)[1] == []
    monkeypatch.setattr(presence, "_listening_since", now() - timedelta(hours=1))
    silence.notice(rooms)
    assert look(rooms, host_id)[1] == ["silent"]


def test_a_host_that_spoke_between_the_look_and_the_writing_is_not_silent(
    rooms: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_id = put(rooms, 1)
    monkeypatch.setattr(presence, "unheard", lambda _session: [host_id])
    silence.notice(rooms)
    assert look(rooms, host_id)[0].silent_since is None


def test_a_silent_host_is_back_with_its_next_word(app: Flask, database: Database) -> None:
    agent = silent(app, database)
    assert agent.get("commands").status_code == 200
    host, kinds = look(database, agent.host_id)
    assert host.silent_since is None
    assert kinds == ["back", "joined"]


def test_a_silent_host_is_not_asked_while_somebody_waits(app: Flask, database: Database) -> None:
    agent = silent(app, database)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="not heard"):
        questions.query(database, agent.host_id, ReadConsoleLog("x"), 60)
    assert time.monotonic() - began < 30
    with pytest.raises(Unavailable, match="does not answer"):
        questions.query(database, agent.host_id, ReadConsoleLog("x"), 0.1, even_if_silent=True)


def silent(app: Flask, database: Database) -> AgentSide:
    """An enrolled host whose silence has been noticed."""
    agent = enrol(app, "n1")
    with database.transaction() as session:
        host = session.get_one(Host, agent.host_id)
        host.last_seen_at = host.silent_since = now() - timedelta(seconds=40)
    return agent


def test_one_beat_notices_silence_and_hints_again(
    rooms: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_id, hinted = put(rooms, 13), []
    monkeypatch.setattr(silence.hinting, "hint_again", hinted.append)
    silence.beat(rooms)
    assert look(rooms, host_id)[1] == ["silent"]
    assert hinted == [rooms]


def test_a_host_that_is_back_is_asked_to_tell_all_about_its_guests(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(publish, "_emit", lambda *what: told.append(what))
    with database.transaction() as session:
        host_id = add_host(session, silent_since=now()).id
    with database.transaction() as session:
        hearing.spoke(session, session.get_one(Host, host_id))
        assert told == [], "before it is committed"
    assert told == [("tell", None, f"host:{host_id}", "/agents")]
