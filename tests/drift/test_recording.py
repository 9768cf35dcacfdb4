"""Differences begin, last and end; each beginning and end is written into the host's history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from agents.wire.reports import Repair
from tests.support.rooms import add_host, fresh_database
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, now
from webcloud.drift import queries, recording
from webcloud.drift.recording import Seen
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.words import from_json, say

LOST = Seen("I9", "domain_missing", "i1", say("has no domain on {host}", host="n1"), "i1", "p1")
STRAY = Seen("I14", "file_stray", "x.part", say("is a file on {host} that nothing owns", host="n1"))


@pytest.fixture
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Database:
    database = fresh_database(tmp_path_factory.mktemp("drift"))
    with database.transaction() as session:
        add_host(session)
    return database


def record(database: Database, *seen: Seen, minutes: int = 0) -> None:
    with database.transaction() as session:
        host = session.scalars(select(Host)).one()
        recording.record(session, host, seen, now() + timedelta(minutes=minutes))


def deeds(database: Database) -> list[tuple[str, str]]:
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(each.action, str(each.detail.get("subject", ""))) for each in entries]


def test_a_difference_keeps_when_it_was_first_seen_and_is_noted_once(rooms: Database) -> None:
    record(rooms, LOST)
    record(rooms, LOST, minutes=5)
    with rooms.reading() as session:
        (row,) = queries.everything(session)
        assert row.last_seen_at - row.first_seen_at > timedelta(minutes=4)
        assert from_json(row.said) == "has no domain on n1"
    assert deeds(rooms) == [("host.drift_begin", "i1")]


def test_what_is_no_longer_seen_ends_and_the_rest_stays(rooms: Database) -> None:
    record(rooms, LOST, STRAY)
    record(rooms, STRAY)
    with rooms.reading() as session:
        assert [row.kind for row in queries.everything(session)] == ["file_stray"]
    assert deeds(rooms)[-1] == ("host.drift_end", "i1")


def test_a_host_that_makes_up_names_is_bounded(rooms: Database) -> None:
    made_up = [Seen("I14", "file_stray", f"{number}-" + "x" * 400, "w") for number in range(300)]
    record(rooms, *made_up)
    record(rooms, *made_up)
    with rooms.reading() as session:
        assert len(queries.everything(session)) == recording.MOST
    assert len(deeds(rooms)) == recording.MOST


def test_differences_of_the_database_belong_to_no_host(rooms: Database) -> None:
    record(rooms, STRAY)
    with rooms.transaction() as session:
        recording.record(session, None, [Seen("I5", "", "p1", "is wrong")], now())
    with rooms.reading() as session:
        assert [row.invariant for row in queries.of_host(session, None)] == ["I5"]
        assert len(queries.everything(session)) == 2
    with rooms.transaction() as session:
        recording.record(session, None, [], now())
    with rooms.reading() as session:
        assert [row.kind for row in queries.everything(session)] == ["file_stray"]


def test_only_the_instances_project_and_operators_read_its_differences(rooms: Database) -> None:
    record(rooms, LOST)
    for project, roles, shown in (
        ("p1", {"member"}, 1),
        ("p2", {"member"}, 0),
        ("p2", {"admin", "member"}, 1),
    ):
        caller = Caller("u", "mai", project, project, frozenset(roles))
        with rooms.reading() as session:
            assert len(queries.of_instance(session, caller, "i1")) == shown


def test_what_a_host_has_mended_is_in_its_history(rooms: Database) -> None:
    with rooms.transaction() as session:
        host = session.scalars(select(Host)).one()
        repairs = (Repair("bridge", "net-1"), Repair("made up", "x"))
        recording.note_repairs(session, host, repairs)
    with rooms.reading() as session:
        (entry,) = session.scalars(select(AuditEntry))
    assert (entry.action, entry.actor) == ("host.repair", "host:n1")
    assert entry.detail == {"what": "bridge", "id": "net-1"}
