"""Operations are forgotten when they are old, but never what fences hosts."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.conductor.kinds import begin, build, drive, journal, look
from webcloud.conductor import registry, retention
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.conductor.runner import Conductor
from webcloud.db import Database, new_id, now

OLD = timedelta(days=91)


def ended(database: Database, subject_id: str, ago: timedelta) -> str:
    """A finished operation on the subject, as if it had ended so long ago."""
    operation_id = begin(database, registry.get("thing.make"), subject_id=subject_id)
    drive(database, operation_id)
    with database.transaction() as session:
        session.get_one(OperationRow, operation_id).finished_at = now() - ago
    return operation_id


def left(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(OperationRow.id)))


def test_old_operations_go_with_their_logs_and_others_stay(database: Database) -> None:
    build(journal)
    subject_id = new_id()
    old = ended(database, subject_id, OLD)
    young = ended(database, subject_id, timedelta(days=89))
    running = begin(database, registry.get("thing.make"), subject_id=subject_id)
    retention.sweep(database)
    assert left(database) == {young, running}
    with database.reading() as session:
        of_old = select(func.count()).where(OperationEvent.operation_id == old)
        assert session.scalar(of_old) == 0


def test_the_newest_of_a_subject_stays_so_that_generations_only_rise(database: Database) -> None:
    build(journal)
    subject_id = new_id()
    for _ in range(3):
        last = ended(database, subject_id, OLD)
    highest = look(database, last).generation
    retention.sweep(database)
    assert left(database) == {last}
    after = begin(database, registry.get("thing.make"), subject_id=subject_id)
    assert look(database, after).generation > highest


def test_batches_go_on_until_nothing_old_is_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    build(journal)
    subject_id = new_id()
    for _ in range(6):
        last = ended(database, subject_id, OLD)
    retention.sweep(database)
    assert left(database) == {last}


def test_a_running_conductor_forgets_by_itself(database: Database) -> None:
    build(journal)
    subject_id = new_id()
    ended(database, subject_id, OLD)
    last = ended(database, subject_id, OLD)
    conductor = Conductor(database, 1)
    conductor.start()
    try:
        until: datetime = now() + timedelta(seconds=10)
        while left(database) != {last} and now() < until:
            time.sleep(0.02)
    finally:
        conductor.stop()
    assert left(database) == {last}
