"""Draining: what it writes, which moves it begins, when the host is empty, and its end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.instances.test_moving import Two, rooms, two
from tests.support.operations import Scenario, drive
from webcloud.audit.models import AuditEntry
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, new_id, now
from webcloud.errors import Conflict
from webcloud.hosts import events, service
from webcloud.hosts.models import Host
from webcloud.instances import draining
from webcloud.instances.models import Instance

__all__ = ["rooms", "two"]


def change(two: Two, deed: str) -> None:
    with two.database.transaction() as session:
        host = session.get_one(Host, two.hosts.source_id)
        if deed == "begin":
            draining.begin(session, two.operator, host)
        elif deed == "cancel":
            draining.cancel(session, two.operator, host)
        else:
            service.enable(session, two.operator, host)


def copy_of(instance: Instance, name: str) -> Instance:
    """Another instance that is like this one."""
    columns = {each.key: getattr(instance, each.key) for each in Instance.__table__.columns}
    return Instance(**{**columns, "id": new_id(), "name": name})


def source(two: Two) -> Host:
    with two.database.reading() as session:
        return session.get_one(Host, two.hosts.source_id)


def happened(two: Two) -> list[str]:
    with two.database.reading() as session:
        found = events.of_host(session, two.hosts.source_id)
        return [event.kind for event in reversed(found)]


def moves(database: Database) -> list[OperationRow]:
    with database.reading() as session:
        return list(
            session.scalars(select(OperationRow).where(OperationRow.kind == "instance.move"))
        )


def finish(two: Two, row: OperationRow) -> None:
    nothing = (lambda _session: None, lambda _session: None)
    drive(two.database, Scenario(lambda: row.id, *nothing, between_rounds=two.hosts))


def test_draining_moves_what_is_there_and_says_when_it_is_empty(two: Two) -> None:
    change(two, "begin")
    assert (source(two).enabled, source(two).disabled_reason) == (False, draining.REASON)
    draining.step(two.database)
    (row,) = moves(two.database)
    draining.step(two.database)
    assert len(moves(two.database)) == 1, "it is on its way already"
    finish(two, row)
    assert two.instance().host_id == two.hosts.target_id
    draining.step(two.database)
    emptied = source(two).emptied_at
    assert emptied is not None
    draining.step(two.database)
    assert source(two).emptied_at == emptied
    assert happened(two) == ["draining", "emptied"]
    two.consistent()
    with two.database.reading() as session:
        actions = session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject_type == "host")
        )
        assert list(actions) == ["host.drain"]


def test_draining_begins_and_ends_once(two: Two) -> None:
    change(two, "cancel")
    change(two, "begin")
    change(two, "begin")
    change(two, "cancel")
    change(two, "cancel")
    host = source(two)
    assert (host.draining_since, host.enabled, host.disabled_reason) == (None, False, "")
    draining.step(two.database)
    assert moves(two.database) == []
    assert happened(two) == ["draining", "drain_cancelled"]


def test_opening_a_host_ends_its_draining(two: Two) -> None:
    change(two, "begin")
    change(two, "enable")
    host = source(two)
    assert (host.draining_since, host.enabled) == (None, True)
    draining.step(two.database)
    assert moves(two.database) == []


def test_the_reason_an_operator_gave_stays(two: Two) -> None:
    with two.database.transaction() as session:
        host = session.get_one(Host, two.hosts.source_id)
        service.disable(session, two.operator, host, "new disks")
    change(two, "begin")
    change(two, "cancel")
    assert source(two).disabled_reason == "new disks"


def test_few_are_moved_at_a_time(two: Two) -> None:
    with two.database.transaction() as session:
        first = session.get_one(Instance, two.instance_id)
        for number in range(3):
            session.add(copy_of(first, f"more{number}"))
    change(two, "begin")
    draining.step(two.database)
    draining.step(two.database)
    assert len(moves(two.database)) == draining.AT_ONCE


def test_what_no_host_can_take_stays_and_keeps_nobody_waiting(two: Two) -> None:
    with two.database.transaction() as session:
        first = session.get_one(Instance, two.instance_id)
        large = copy_of(first, "a-large-one")
        large.memory_mb = 10**6
        session.add(large)
    change(two, "begin")
    draining.step(two.database)
    assert [row.subject_id for row in moves(two.database)] == [two.instance_id]
    assert source(two).emptied_at is None


def test_a_move_that_failed_is_tried_again_after_a_pause(two: Two) -> None:
    change(two, "begin")
    draining.step(two.database)
    with two.database.transaction() as session:
        row = session.scalars(
            select(OperationRow).where(OperationRow.kind == "instance.move")
        ).one()
        row.status, row.active_key, row.finished_at = "failed", None, now()
        failed_id = row.id
    draining.step(two.database)
    assert len(moves(two.database)) == 1
    with two.database.transaction() as session:
        row = session.get_one(OperationRow, failed_id)
        row.finished_at = now() - draining.TRY_AGAIN_AFTER - timedelta(seconds=1)
    draining.step(two.database)
    assert len(moves(two.database)) == 2


def test_what_comes_back_makes_a_drained_host_not_empty(two: Two) -> None:
    with two.database.transaction() as session:
        host = session.get_one(Host, two.hosts.source_id)
        draining.begin(session, two.operator, host)
        host.emptied_at = now()
    two.silence(two.hosts.target_id)
    draining.step(two.database)
    assert source(two).emptied_at is None


def test_a_host_that_was_given_up_is_not_drained(two: Two) -> None:
    with two.database.transaction() as session:
        session.get_one(Host, two.hosts.source_id).given_up_at = now()
    with pytest.raises(Conflict, match="given up"):
        change(two, "begin")


def test_a_host_that_vanished_between_two_looks_is_left_alone(two: Two) -> None:
    with two.database.transaction() as session:
        draining._note_empty(session, "gone")
    draining._move(two.database, two.instance_id)
    draining._move(two.database, two.instance_id)
    assert len(moves(two.database)) == 1
