"""The registry, stored plans across upgrades, and rows that are set aside."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text, update

from tests.conductor.kinds import begin, build, drive, journal, log, look, turn
from tests.support.databases import TABLES, Servers
from webcloud.conductor import failures, registry, steps, taking
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Operation, Run, Step, StepFailed, Wait
from webcloud.conductor.plan import Isolated, plan_of
from webcloud.db import Base, Database, now
from webcloud.errors import Unavailable


def test_the_registry_refuses_what_would_be_ambiguous() -> None:
    made = build(journal)
    assert registry.register(made) is made
    assert registry.all_operations() == [made]
    with pytest.raises(TypeError, match="twice"):
        build(journal)
    step = Step("same", "Same", journal, journal)
    for table in ((step, step), (), (Step("", "No name", journal, journal),)):
        with pytest.raises(TypeError, match="different names"):
            registry.register(type("Odd", (Operation,), {"kind": "odd", "steps": table}))


def test_the_registry_refuses_two_reconcilers_of_one_name() -> None:
    def work(database: Database) -> None:
        """Nothing to reconcile."""

    registry.register_periodic("work", 1, work)
    registry.register_periodic("work", 1, work)
    with pytest.raises(TypeError, match="twice"):
        registry.register_periodic("work", 1, lambda database: None)


def test_a_step_without_undo_must_say_why() -> None:
    with pytest.raises(TypeError, match="only goes forward"):
        build(journal, kind="thing.go", forward_only=True)
    with pytest.raises(TypeError, match="why"):
        Step("one", "One", journal)


def upgrade(kind: str, table: tuple[Step, ...], version: int = 2) -> None:
    registry._operations.pop(kind)
    body = {"kind": kind, "subject_type": "thing", "words": "x", "steps": table}
    registry.register(type("Newer", (Operation,), {**body, "version": version}))


def test_an_operation_accepted_before_an_upgrade_finishes_by_its_own_plan(
    database: Database,
) -> None:
    answers = iter([Wait(1, "host"), Done()])
    made = build(lambda run: next(answers), journal)
    operation_id = begin(database, made)
    turn(database, operation_id)
    one, two = made.steps
    between = Step("between", "Between", journal, journal)
    upgrade(made.kind, (two, between, one))
    assert drive(database, operation_id).status == "done"
    assert log(database, operation_id, "done") == ["done one", "done two"]


def test_a_step_that_lost_its_undo_in_an_upgrade_is_passed(database: Database) -> None:
    def refuse(run: Run) -> Done:
        raise StepFailed("no", "No.")

    answers = iter([Wait(1, "host"), Done()])
    made = build(journal, refuse, undo=[journal, lambda run: next(answers)])
    operation_id = begin(database, made)
    turn(database, operation_id)
    upgrade(made.kind, (made.steps[0], Step("two", "Two", refuse, no_undo="Nothing is left.")))
    assert drive(database, operation_id).status == "failed"
    assert log(database, operation_id, "undone") == ["undone two", "undone one"]


def break_kind(row: OperationRow) -> None:
    row.kind = "thing.unknown"


def break_version(row: OperationRow) -> None:
    row.plan_version = 99


def break_step(row: OperationRow) -> None:
    row.step = "nowhere"


def break_plan(row: OperationRow) -> None:
    row.state = {"_plan": ["nowhere"]}


def break_all(row: OperationRow) -> None:
    row.state = {}


@pytest.mark.parametrize("damage", [break_kind, break_version, break_step, break_plan, break_all])
def test_a_bad_row_is_set_aside_with_one_alarm_and_heals(database: Database, damage: Any) -> None:
    made = build(journal)
    operation_id = begin(database, made)
    with database.transaction() as session:
        row = session.get_one(OperationRow, operation_id)
        before = {name: getattr(row, name) for name in ("kind", "plan_version", "step", "state")}
        damage(row)
    for _ in range(3):
        turn(database, operation_id)
    bad = look(database, operation_id)
    assert bad.why.startswith("isolated: ")
    assert bad.lease_token is None
    assert bad.run_at > now()
    assert log(database, operation_id) == [
        "accepted",
        f"alarm {bad.step}",
    ]
    other = begin(database, made)
    assert drive(database, other).status == "done"
    with database.transaction() as session:
        session.execute(update(OperationRow).where(OperationRow.id == operation_id).values(before))
    assert drive(database, operation_id).status == "done"


def test_a_row_that_cannot_be_read_is_set_aside(database: Database) -> None:
    if database.engine.dialect.name != "sqlite":
        # The servers refuse to store what is not JSON; an unusable value does as well.
        damage = "UPDATE operation SET state = '[]'"
    else:
        damage = "UPDATE operation SET state = 'not json'"
    operation_id = begin(database, build(journal))
    with database.transaction() as session:
        session.execute(text(damage))
    turn(database, operation_id)
    with database.reading() as session:
        why = session.scalar(text("SELECT why FROM operation"))
    assert str(why).startswith("isolated: ")
    assert log(database, operation_id) == ["accepted", "alarm one"]


@pytest.mark.parametrize("column", ["deadline_at", "run_at"])
def test_a_time_without_end_sets_a_row_aside_and_the_others_are_found(
    servers: Servers, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    database = Database(servers.url("postgresql"))
    Base.metadata.create_all(database.engine, tables=TABLES)
    made = build(journal)
    operation_id, other_id = begin(database, made), begin(database, made)
    with database.transaction() as session:
        damage = f"UPDATE operation SET {column} = 'infinity', created_at = 'infinity'"  # noqa: S608
        session.execute(text(f"{damage} WHERE id = :id"), {"id": operation_id})
    assert {found for found, _ in taking.due(database, 2)} == {operation_id, other_id}
    turn(database, operation_id)
    with database.reading() as session:
        why = session.scalar(text(f"SELECT why FROM operation WHERE id = '{operation_id}'"))  # noqa: S608
    assert str(why).startswith("isolated: ")
    assert "cannot be read" in caplog.text
    assert log(database, operation_id) == ["accepted", "alarm one"]
    assert drive(database, other_id).status == "done"
    database.engine.dispose()


def test_a_bad_row_whose_lease_was_lost_is_left_to_the_heir(database: Database) -> None:
    operation_id = begin(database, build(journal))
    lease = taking.claim(database, "zombie", operation_id=operation_id)
    assert lease is not None
    with database.transaction() as session:
        session.execute(update(OperationRow).values(lease_token="heir"))
    assert failures.handle(database, lease, Isolated("odd")) is False
    assert look(database, operation_id).why == ""


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("odd")])
@pytest.mark.parametrize("cause", [RuntimeError("first"), Isolated("second")])
def test_a_failure_that_cannot_be_recorded_waits_for_the_lease_to_end(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: Exception, cause: Exception
) -> None:
    operation_id = begin(database, build(journal))
    lease = taking.claim(database, "worker", operation_id=operation_id)
    assert lease is not None

    def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(failures.leases, "held", away)
    monkeypatch.setattr(failures, "_set_aside", away)
    assert failures.handle(database, lease, cause) is False
    assert look(database, operation_id).lease_token == lease.token


def test_a_vanished_row_is_no_concern(database: Database) -> None:
    operation_id = begin(database, build(journal))
    lease = taking.claim(database, "worker", operation_id=operation_id)
    assert lease is not None
    with database.transaction() as session:
        session.execute(text("DELETE FROM operation_event"))
        session.execute(text("DELETE FROM operation"))
    assert steps.execute(database, lease) is False


def test_pauses_grow_to_a_minute_and_differ() -> None:
    assert 1 <= failures.pause(1) <= 2
    assert 30 <= failures.pause(50) <= 60
    assert len({failures.pause(50) for _ in range(20)}) > 1


def test_a_plan_knows_its_order(database: Database) -> None:
    operation_id = begin(database, build(journal, journal, undo=[None, journal]))
    plan = plan_of(look(database, operation_id))
    assert plan.after("two") is None
    assert (plan.undoable("two"), plan.undoable("two", before=True)) == ("two", "")
