"""The harness that tests every operation finds each kind of defect it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tests.conductor.kinds import begin, build, journal
from tests.support import operations
from tests.support.operations import Scenario
from tests.support.rooms import fresh_database
from tests.support.step_faults import (
    INJECTED,
    commit_lost,
    fail_after,
    fail_before,
    raising,
    twice,
)
from webcloud.conductor import registry
from webcloud.conductor.models import OperationEvent
from webcloud.conductor.operation import Done, Operation, Run, StepFailed, Wait
from webcloud.db import Database


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    return fresh_database(tmp_path)


def marks(session: Session) -> int:
    question = select(func.count()).where(OperationEvent.event == "mark")
    return session.scalar(question) or 0


def add(run: Run) -> Done:
    """Ensures the mark of its step, as every step must."""
    found = run.session.scalar(
        select(OperationEvent.id).where(
            OperationEvent.event == "mark", OperationEvent.step == run.step
        )
    )
    return Done() if found else journal(run)


def remove(run: Run) -> Done:
    step = run.step.removeprefix("undo:")
    for row in run.session.scalars(
        select(OperationEvent).where(OperationEvent.event == "mark", OperationEvent.step == step)
    ):
        run.session.delete(row)
    return Done()


def remove_strictly(run: Run) -> Done:
    step = run.step.removeprefix("undo:")
    row = run.session.scalars(
        select(OperationEvent).where(OperationEvent.event == "mark", OperationEvent.step == step)
    ).one()
    run.session.delete(row)
    return Done()


def given(database: Database, operation: type[Operation]) -> Scenario:
    def settled(session: Session) -> None:
        assert marks(session) == 2

    def clean_slate(session: Session) -> None:
        assert marks(session) == 0

    return Scenario(lambda: begin(database, operation), settled, clean_slate)


def run(database: Database, operation: type[Operation], retries: int = 0, **faults: Any) -> str:
    """Run the operation with the faults of its steps; the code of its error."""
    scenario = given(database, operation)
    with operations.replaced(operation, **faults):
        row = operations.drive(database, scenario, retries=retries)
    with database.reading() as session:
        (scenario.settled if row.status == "done" else scenario.clean_slate)(session)
    return row.error_code


def fail_at(
    database: Database, operation: type[Operation], step: str, *, after: bool, undo: Any = None
) -> None:
    fault = fail_after if after else fail_before
    code = run(
        database,
        operation,
        do=lambda own: fault if own.name == step else None,
        undo=lambda own: undo,
    )
    assert code == INJECTED, f"another reason: {code}"


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test registers what it needs, and only that is known."""
    monkeypatch.setattr(registry, "_operations", {})


def test_a_sound_operation_passes_everything(empty: Database) -> None:
    sound = build(add, add, undo=remove)
    for step in sound.steps:
        for after in (False, True):
            fail_at(empty, sound, step.name, after=after, undo=twice)
    run(empty, sound, 2, undo=lambda own: raising(1), do=lambda own: fail_after)
    run(empty, sound, do=lambda step: twice)
    with empty.transaction() as session:
        session.execute(delete(OperationEvent).where(OperationEvent.event == "mark"))
    run(empty, sound, 2, do=lambda step: commit_lost("before_commit"))


def test_a_step_that_cannot_be_repeated_is_found(empty: Database) -> None:
    unsound = build(add, journal, undo=remove)
    with pytest.raises(AssertionError, match="assert 3 == 2"):
        run(empty, unsound, do=lambda step: twice)


def test_a_missing_undo_is_found(empty: Database) -> None:
    unsound = build(add, add, undo=[None, remove])
    with pytest.raises(AssertionError, match="assert 1 == 0"):
        fail_at(empty, unsound, "two", after=False)


def test_an_undo_that_cannot_be_repeated_is_found(empty: Database) -> None:
    unsound = build(add, add, undo=remove_strictly)
    with pytest.raises(AssertionError, match="NoResultFound"):
        fail_at(empty, unsound, "two", after=True, undo=twice)


def test_an_undo_that_needs_its_effect_is_found(empty: Database) -> None:
    unsound = build(add, add, undo=remove_strictly)
    with pytest.raises(AssertionError, match="retry at undo:one"):
        fail_at(empty, unsound, "one", after=False)


def test_an_earlier_failure_is_not_taken_for_the_injected_one(empty: Database) -> None:
    def refuse(run: Run) -> Done:
        raise StepFailed("own_reason", "No.")

    unsound = build(refuse, add, undo=remove)
    with pytest.raises(AssertionError, match="another reason: own_reason"):
        fail_at(empty, unsound, "two", after=False)


def test_a_step_that_waits_for_ever_is_found(empty: Database) -> None:
    unsound = build(lambda run: Wait(0, "nobody"), undo=remove)
    with pytest.raises(AssertionError, match="waits: nobody"):
        run(empty, unsound)
