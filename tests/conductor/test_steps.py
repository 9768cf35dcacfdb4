"""How an operation goes forward and back, and where it ends."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.conductor.kinds import begin, build, details, drive, journal, log, look, turn
from webcloud import errors
from webcloud.conductor import failures, starting
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.conductor.plan import error_of
from webcloud.db import Database, after_commit, now
from webcloud.words import Said, say


def fail(code: str = "no_disk") -> Any:
    def do(run: Run) -> Done:
        journal(run)
        raise StepFailed(code, "There is no disk.")

    return do


def make_late(database: Database, operation_id: str) -> None:
    with database.transaction() as session:
        session.execute(
            update(OperationRow)
            .where(OperationRow.id == operation_id)
            .values(deadline_at=now() - timedelta(seconds=1))
        )


def test_steps_run_in_order_and_hand_on_their_outputs(database: Database) -> None:
    seen: dict[str, Any] = {}

    def second(run: Run) -> Done:
        seen["state"], seen["params"] = dict(run.state), run.params
        return Done({"b": 2})

    def finished(run: Run) -> None:
        seen["finished"] = (run.subject_id, dict(run.state))

    made = build(lambda run: Done({"a": 1}), second, finished=finished)
    operation_id = begin(database, made, params={"size": 3}, subject_id="t1")
    row = drive(database, operation_id)
    assert (row.status, row.active_key, row.lease_token) == ("done", None, None)
    assert seen["state"] == {"a": 1}
    assert seen["params"] == {"size": 3}
    assert seen["finished"] == ("t1", {"a": 1, "b": 2})
    assert log(database, operation_id) == [
        "accepted",
        "done one",
        "done two",
        "finished",
    ]


def test_a_failed_step_undoes_what_was_begun_newest_first(database: Database) -> None:
    ended: list[tuple[str, str]] = []
    made = build(
        journal,
        journal,
        fail(),
        journal,
        undo=[journal, None, journal, journal],
        failed=lambda run, code, message: ended.append((code, message)),
    )
    operation_id = begin(database, made)
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "no_disk")
    assert ended == [("no_disk", "There is no disk.")]
    assert log(database, operation_id, "mark") == [
        "mark one",
        "mark two",
        "mark undo:three",
        "mark undo:one",
    ]
    assert log(database, operation_id, "failed", "undone") == [
        "failed three",
        "undone three",
        "undone one",
    ]
    with database.reading() as session:
        assert details(session, operation_id, "mark") == ["2", "2", "3", "3"]


def test_a_refusal_by_a_service_fails_the_step_with_its_code(database: Database) -> None:
    def refuse(run: Run) -> Done:
        raise errors.NoCapacity("No host has 4 GiB free.", next_step="Choose a smaller flavor.")

    row = drive(database, begin(database, build(refuse)))
    assert row.error_code == "no_capacity"
    assert row.error_message == "No host has 4 GiB free. Choose a smaller flavor."


def test_why_it_failed_is_kept_with_its_values_for_the_end_and_for_pages(
    database: Database,
) -> None:
    told: list[str] = []

    def refuse(run: Run) -> Done:
        raise StepFailed("full", say("{host} is full.", host="n1"))

    made = build(
        journal,
        refuse,
        undo=[journal, None],
        failed=lambda run, code, message: told.append(message),
    )
    row = drive(database, begin(database, made))
    assert (row.status, row.error_message, told) == ("failed", "n1 is full.", ["n1 is full."])
    for text in (told[0], error_of(row)):
        assert isinstance(text, Said)
        assert (text.message, text.values) == ("{host} is full.", {"host": "n1"})


@pytest.mark.parametrize("error", [RuntimeError("secret"), errors.Unavailable("secret")])
def test_an_unexpected_error_is_retried_and_its_text_is_not_shown(
    database: Database, error: Exception
) -> None:
    tries: list[int] = []

    def flaky(run: Run) -> Done:
        journal(run)
        tries.append(run.operation.attempt)
        if len(tries) < 3:
            raise error
        return Done()

    operation_id = begin(database, build(flaky))
    turn(database, operation_id)
    row = look(database, operation_id)
    assert row.lease_token is None
    assert row.run_at > now()
    assert drive(database, operation_id).status == "done"
    assert tries == [1, 2, 3]
    assert log(database, operation_id, "mark", "retry") == ["retry one", "retry one", "mark one"]
    with database.reading() as session:
        text = str(details(session, operation_id, "retry"))
    assert type(error).__name__ in text
    assert "secret" not in text


def test_twenty_attempts_are_enough(database: Database) -> None:
    def broken(run: Run) -> Done:
        raise RuntimeError("secret")

    operation_id = begin(database, build(broken))
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "internal_error")
    assert "secret" not in row.error_message
    assert log(database, operation_id, "retry").count("retry one") == 19
    assert log(database, operation_id, "alarm") == ["alarm one"]


def test_a_step_in_which_the_process_always_dies_is_given_up(database: Database) -> None:
    operation_id = begin(database, build(journal))
    with database.transaction() as session:
        session.execute(update(OperationRow).values(attempt=20))
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "internal_error")


def test_a_step_may_only_return_done_or_wait(database: Database) -> None:
    operation_id = begin(database, build(lambda run: None))  # type: ignore[arg-type,return-value]
    turn(database, operation_id)
    with database.reading() as session:
        assert "TypeError" in details(session, operation_id, "retry")[0]


def test_a_waiting_step_says_why_and_is_not_begun_twice(database: Database) -> None:
    answers = iter([Wait(5, "disk", 0.5), Wait(5, "disk", 0.5), Done()])
    operation_id = begin(database, build(lambda run: next(answers)))
    turn(database, operation_id)
    row = look(database, operation_id)
    assert (row.status, row.why, row.progress, row.lease_token) == ("running", "disk", 0.5, None)
    assert timedelta(seconds=4) < row.run_at - now() < timedelta(seconds=6)
    row = drive(database, operation_id)
    assert (row.why, row.progress) == ("", None)
    assert log(database, operation_id, "started", "done") == ["started one", "done one"]


def test_a_step_that_is_done_at_once_leaves_one_line_which_says_how_long_it_took(
    database: Database,
) -> None:
    def slow(_run: Run) -> Done:
        time.sleep(0.02)
        return Done()

    operation_id = begin(database, build(slow))
    drive(database, operation_id)
    assert log(database, operation_id) == ["accepted", "done one", "finished"]
    with database.reading() as session:
        assert json.loads(details(session, operation_id, "done")[0])["ms"] >= 20


def test_waiting_ends_at_the_deadline(database: Database) -> None:
    operation_id = begin(database, build(lambda run: Wait(99, "host"), deadline_seconds=3))
    turn(database, operation_id)
    assert look(database, operation_id).run_at - now() < timedelta(seconds=4)
    make_late(database, operation_id)
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "deadline_exceeded")
    assert row.deadline_alarmed
    assert log(database, operation_id, "alarm", "undone") == ["alarm one", "undone one"]


def test_an_error_past_the_deadline_ends_the_operation(database: Database) -> None:
    def slow(run: Run) -> Done:
        time.sleep(max(0, (run.operation.deadline_at - now()).total_seconds()))
        raise RuntimeError

    operation_id = begin(database, build(slow, deadline_seconds=1))
    turn(database, operation_id)
    row = look(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "deadline_exceeded")
    assert log(database, operation_id, "retry", "alarm") == ["alarm one"]


def test_an_undo_is_retried_until_it_works(database: Database) -> None:
    tries: list[int] = []

    def undo(run: Run) -> Done | Wait:
        tries.append(1)
        if len(tries) < 25:
            raise StepFailed("odd", "Undo never gives up.")
        return Wait(9, "host") if len(tries) < 27 else Done()

    operation_id = begin(database, build(fail(), undo=undo))
    for _ in range(3):
        turn(database, operation_id)
    make_late(database, operation_id)
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "no_disk")
    assert len(tries) == 27
    assert log(database, operation_id, "alarm") == ["alarm one"]
    assert log(database, operation_id, "retry")[0] == "retry undo:one"


def test_an_undo_that_waits_past_the_deadline_raises_one_alarm(database: Database) -> None:
    answers = iter([Wait(1, "host"), Wait(1, "host"), Wait(1, "host"), Done()])
    operation_id = begin(database, build(fail(), undo=lambda run: next(answers)))
    turn(database, operation_id)
    make_late(database, operation_id)
    assert drive(database, operation_id).status == "failed"
    assert log(database, operation_id, "alarm") == ["alarm one"]


def test_without_any_undo_a_failed_operation_ends_at_once(database: Database) -> None:
    operation_id = begin(database, build(journal, fail(), undo=None))
    turn(database, operation_id)
    assert look(database, operation_id).status == "failed"


def test_a_hook_that_fails_is_part_of_the_step_and_retried(database: Database) -> None:
    tries: list[str] = []

    def finished(run: Run) -> None:
        tries.append("finished")
        if len(tries) == 1:
            raise RuntimeError

    operation_id = begin(database, build(journal, finished=finished))
    assert drive(database, operation_id).status == "done"
    assert log(database, operation_id, "mark") == ["mark one"]
    assert len(tries) == 2


def test_an_action_that_fails_after_the_commit_does_not_repeat_the_step(
    database: Database,
) -> None:
    def do(run: Run) -> Done:
        after_commit(run.session, lambda: 1 // 0)  # type: ignore[arg-type]
        return journal(run)

    operation_id = begin(database, build(do, do))
    assert drive(database, operation_id).status == "done"
    assert log(database, operation_id, "mark", "retry") == ["mark one", "mark two"]


def test_a_wake_during_a_step_is_not_slept_over(database: Database) -> None:
    def do(run: Run) -> Done | Wait:
        # On SQLite a second writer can only come before or after the step.
        if not database.is_sqlite:
            with database.transaction() as session:
                starting.wake(session, run.operation.id)
        return Wait(60, "host")

    operation_id = begin(database, build(do))
    turn(database, operation_id)
    if database.is_sqlite:
        with database.transaction() as session:
            starting.wake(session, operation_id)
    assert look(database, operation_id).run_at <= now()


def test_what_only_goes_forward_is_tried_until_it_is_done(database: Database) -> None:
    left = [StepFailed("no", "No."), RuntimeError(), None]
    heard: list[bool] = []

    def stubborn(run: Run) -> Done:
        heard.append(run.persists)
        error = left.pop(0)
        if error is not None:
            raise error
        return Done()

    made = build(stubborn, undo=None, forward_only=True, deadline_seconds=-1)
    operation_id = begin(database, made)
    row = drive(database, operation_id)
    assert (row.status, row.error_code) == ("done", "")
    assert heard == [True] * 3
    assert log(database, operation_id, "alarm", "retry") == ["alarm one", "retry one", "retry one"]
    with database.reading() as session:
        first = json.loads(details(session, operation_id, "retry")[0])
    assert first["error"] == "no"
    assert first["again_in"] > 0


def test_what_only_goes_forward_waits_past_its_deadline_with_one_alarm(
    database: Database,
) -> None:
    waits = [Wait(7, "host"), Wait(7, "host"), Done()]
    made = build(lambda run: waits.pop(0), undo=None, forward_only=True, deadline_seconds=-1)
    operation_id = begin(database, made)
    turn(database, operation_id)
    assert (look(database, operation_id).run_at - now()).total_seconds() > 5
    assert drive(database, operation_id).status == "done"
    assert log(database, operation_id, "alarm") == ["alarm one"]


def test_a_process_that_always_dies_going_forward_leaves_the_others_their_turn(
    database: Database,
) -> None:
    operation_id = begin(database, build(journal, undo=None, forward_only=True))
    with database.transaction() as session:
        session.get_one(OperationRow, operation_id).attempt = failures.MOST_ATTEMPTS
    turn(database, operation_id)
    row = look(database, operation_id)
    assert row.finished_at is None
    assert row.why.startswith("isolated: ")
    assert row.run_at > now()
    assert log(database, operation_id, "alarm", "mark") == ["alarm one"]
    assert drive(database, operation_id).status == "done"


def test_a_step_may_read_its_own_operation_before_it_waits(database: Database) -> None:
    def reads(run: Run) -> Done | Wait:
        found = run.session.scalars(select(OperationRow)).one()
        # Rows of other kinds are in the session too.
        assert run.session.scalars(select(OperationEvent)).all()
        return Done() if found.why == "host" else Wait(60, "host", 0.5)

    operation_id = begin(database, build(reads, reads))
    turn(database, operation_id)
    row = look(database, operation_id)
    assert (row.step, row.why, row.progress) == ("one", "host", 0.5)
    turn(database, operation_id)
    assert look(database, operation_id).step == "two"
    assert drive(database, operation_id).status == "done"


def test_what_a_step_accepts_is_told_in_the_log_of_the_new_operation(database: Database) -> None:
    other = build(journal, kind="thing.other")
    begun: list[str] = []

    def starts(run: Run) -> Done:
        begun.append(starting.start(run.session, other, subject_id="1", params={}).id)
        return Done()

    operation_id = begin(database, build(starts))
    assert drive(database, operation_id).status == "done"
    assert log(database, operation_id) == ["accepted", "done one", "finished"]
    assert log(database, begun[0]) == ["accepted"]
