"""Accepting, refusing, cancelling and superseding."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.conductor.kinds import begin, build, drive, journal, log, look, turn
from webcloud.conductor import queries, registry, signals, starting
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Operation, Run, StepFailed, Wait
from webcloud.db import Database, new_id
from webcloud.errors import Busy, Conflict, WebcloudError


def wait(run: Run) -> Wait:
    journal(run)
    return Wait(60, "host")


def delete_kind(**attributes: Any) -> type[Operation]:
    return build(journal, kind="thing.delete", undo=None, forward_only=True, **attributes)


def supersede(database: Database, operation: type[Operation], subject_id: str) -> str:
    with database.transaction() as session:
        return starting.supersede(
            session, operation, subject_id=subject_id, user_id="u2", params={"force": True}
        )


def test_one_unfinished_operation_per_subject_under_twenty_at_once(database: Database) -> None:
    made = build(wait)
    outcomes: list[str] = []
    gate = threading.Barrier(20)

    def ask() -> None:
        gate.wait()
        try:
            begin(database, made, subject_id="one")
            outcomes.append("accepted")
        except WebcloudError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted"] + ["busy"] * 19
    with database.reading() as session:
        assert len(queries.operations_of(session, "thing", "one")) == 1


def test_the_first_operation_of_a_new_subject_has_the_first_generation(
    database: Database,
) -> None:
    made = build(journal)
    first = begin(database, made, subject_id="one", first=True)
    assert look(database, first).generation == starting.FIRST_GENERATION
    with pytest.raises(Busy):
        begin(database, made, subject_id="one", first=True)
    drive(database, first)
    then = begin(database, made, subject_id="one")
    assert look(database, then).generation > starting.FIRST_GENERATION


def test_generations_rise_and_are_even_going_forward(database: Database) -> None:
    def refuse(run: Run) -> Done:
        raise StepFailed("no", "No.")

    good, bad = build(journal), build(refuse, kind="thing.break")
    found = []
    for made in (good, bad, good):
        operation_id = begin(database, made, subject_id="one")
        before = look(database, operation_id).generation
        found.append((before, drive(database, operation_id).generation))
    assert found == [(2, 2), (4, 5), (6, 6)]


def test_an_idempotency_key_gives_the_same_operation_again(database: Database) -> None:
    made = build(journal)
    key = {"idempotency_key": "k", "idempotency_hash": "h"}
    first = begin(database, made, **key)
    assert begin(database, made, **key) == first
    drive(database, first)
    assert begin(database, made, **key) == first
    with pytest.raises(Conflict, match="different request"):
        begin(database, made, idempotency_key="k", idempotency_hash="other")
    with database.reading() as session:
        assert len(queries.operations_of_project(session, None)) == 1


def test_two_requests_with_one_key_at_once_start_one_operation(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(journal)
    begin(database, made, idempotency_key="k", idempotency_hash="h")
    # What a request sees which looked just before the other one committed.
    monkeypatch.setattr(queries, "replayed", lambda *_: None)
    with pytest.raises(Conflict, match="same request"):
        begin(database, made, idempotency_key="k", idempotency_hash="h")


def test_a_start_which_lost_the_race_says_busy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(journal)
    begin(database, made, subject_id="one")
    real, calls = queries.active_operation, []

    def blind_once(*arguments: Any, **named: Any) -> OperationRow | None:
        calls.append(1)
        return real(*arguments, **named) if len(calls) > 1 else None

    monkeypatch.setattr(queries, "active_operation", blind_once)
    with pytest.raises(Busy):
        begin(database, made, subject_id="one")


def test_what_is_not_registered_is_not_accepted(database: Database) -> None:
    made = build(journal)
    registry._operations.clear()
    with pytest.raises(registry.UnknownKind):
        begin(database, made)


@pytest.mark.parametrize("at_step", [0, 1, 2, 3])
def test_deleting_wins_from_any_step(database: Database, at_step: int) -> None:
    failures: list[str] = []
    deleted: list[tuple[dict[str, Any], str | None]] = []
    dos = [journal, journal, journal]
    dos[at_step:] = [wait] * (3 - at_step)  # type: ignore[list-item]
    made = build(*dos, failed=lambda run, code, message: failures.append(code))
    gone = delete_kind(finished=lambda run: deleted.append((run.params, run.operation.user_id)))
    operation_id = begin(database, made, subject_id="one", project_id="p1", user_id="u1")
    if at_step < 3:
        turn(database, operation_id)
    successor = supersede(database, gone, "one")
    assert supersede(database, gone, "one") == successor
    row = drive(database, operation_id)
    assert (row.status, failures) == ("cancelled", ["superseded"])
    names = ["one", "two", "three"][: at_step % 3 + 1]
    assert log(database, operation_id, "undone") == [f"undone {name}" for name in names[::-1]]
    assert supersede(database, gone, "one") == successor
    assert drive(database, successor).status == "done"
    assert deleted == [({"force": True}, "u2")]


def test_deleting_does_not_wait_for_the_pause_after_an_error(database: Database) -> None:
    def broken(run: Run) -> Done:
        with_session(run)
        raise RuntimeError

    def with_session(run: Run) -> None:
        if not database.is_sqlite:
            supersede(database, gone, "one")

    gone = delete_kind()
    operation_id = begin(database, build(broken), subject_id="one")
    turn(database, operation_id)
    supersede(database, gone, "one")
    row = look(database, operation_id)
    assert row.run_at <= row.deadline_at
    assert drive(database, operation_id, most=1).status == "cancelled"


def test_superseding_starts_at_once_when_nothing_runs(database: Database) -> None:
    gone = delete_kind()
    operation_id = supersede(database, gone, "one")
    assert look(database, operation_id).params == {"force": True}


def test_superseding_meets_an_operation_accepted_at_that_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = delete_kind()
    running = begin(database, build(wait), subject_id="one")
    real, looks = queries.active_operation, []

    def blind_twice(*arguments: Any, **named: Any) -> OperationRow | None:
        looks.append(1)
        return real(*arguments, **named) if len(looks) > 2 else None

    monkeypatch.setattr(queries, "active_operation", blind_twice)
    assert supersede(database, gone, "one") == look(database, running).successor_id
    looks.clear()
    monkeypatch.setattr(starting, "start", lambda *_, **__: (_ for _ in ()).throw(Busy("Busy.")))
    monkeypatch.setattr(queries, "active_operation", lambda *_, **__: None)
    with pytest.raises(Busy):
        supersede(database, gone, "one")


def test_what_cannot_be_cancelled_ends_before_its_successor_starts(database: Database) -> None:
    first, second = delete_kind(), build(journal, kind="thing.purge")
    third = build(journal, kind="thing.third")
    operation_id = begin(database, first, subject_id="one")
    successor = supersede(database, second, "one")
    with pytest.raises(Busy):
        supersede(database, third, "one")
    assert drive(database, operation_id).status == "done"
    assert drive(database, successor).status == "done"


def test_cancelling_unwinds_and_starts_nothing(database: Database) -> None:
    operation_id = begin(database, build(journal, wait))
    turn(database, operation_id)
    for _ in range(2):
        with database.transaction() as session:
            starting.cancel(session, operation_id)
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("cancelled", "cancelled")
    assert log(database, operation_id, "cancel", "undone") == [
        "cancel two",
        "undone two",
        "undone one",
    ]
    with database.transaction() as session:
        starting.cancel(session, operation_id)
        starting.wake(session, operation_id)
    assert look(database, operation_id).status == "cancelled"


def test_what_cannot_be_cancelled_refuses(database: Database) -> None:
    operation_id = begin(database, delete_kind())
    with pytest.raises(Conflict), database.transaction() as session:
        starting.cancel(session, operation_id)


def test_every_visible_change_is_told_after_its_commit(database: Database) -> None:
    heard: list[str] = []

    def listen(snapshot: signals.Snapshot) -> None:
        assert snapshot["status"] == look(database, snapshot["id"]).status
        heard.append(snapshot["status"])

    def broken(snapshot: signals.Snapshot) -> None:
        raise RuntimeError

    signals.on_change(broken)
    signals.on_change(listen)
    answers = iter([Wait(1, "host"), Wait(1, "host"), Done()])
    operation_id = begin(database, build(lambda run: next(answers)), project_id="p1")
    drive(database, operation_id)
    assert heard == ["queued", "running", "running", "done"]
    signals.forget(listen)
    signals.forget(listen)
    begin(database, build(journal, kind="thing.other"))
    assert heard[-1] == "done"


def test_a_rolled_back_acceptance_is_not_told(database: Database) -> None:
    heard: list[signals.Snapshot] = []
    signals.on_change(heard.append)
    made = build(journal)
    with pytest.raises(RuntimeError), database.transaction() as session:
        starting.start(session, made, subject_id=new_id(), params={})
        raise RuntimeError
    assert heard == []


def test_reads_are_scoped_and_newest_first(database: Database) -> None:
    made = build(journal)
    ids = []
    for project in ("p1", "p1", "p2"):
        ids.append(begin(database, made, subject_id="one", project_id=project))
        drive(database, ids[-1])
    with database.reading() as session:
        assert [row.id for row in queries.operations_of(session, "thing", "one", 2)] == ids[:0:-1]
        assert {row.id for row in queries.operations_of_project(session, "p1")} == set(ids[:2])
        assert queries.active_operation(session, "thing", "one") is None
