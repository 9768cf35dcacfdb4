"""An operation's log told as steps: every event, every end, and undoing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.support.rooms import fresh_database
from webcloud.conductor import events, queries, registry, story
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Operation, Run, Step
from webcloud.conductor.plan import new_state
from webcloud.db import new_id, now


def nothing(_run: Run) -> Done:
    return Done()


class Paint(Operation):
    """Two steps, of which the first can be undone."""

    kind = "story.paint"
    subject_type = "wall"
    words = "Paint wall"
    steps = (
        Step("mix", "Mixing", nothing, nothing),
        Step("brush", "Brushing", nothing, no_undo="A test."),
    )


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setitem(registry._operations, Paint.kind, Paint)
    database = fresh_database(tmp_path)
    with database.transaction() as opened:
        yield opened
    database.engine.dispose()


def put(session: Session, *log: tuple[str, str], **columns: object) -> OperationRow:
    """An operation with these (event, step) rows in its log."""
    moment = now() - timedelta(seconds=5)
    values: dict[str, object] = {
        "id": new_id(),
        "kind": Paint.kind,
        "subject_type": "wall",
        "subject_id": new_id(),
        "state": new_state(Paint),
        "step": "mix",
        "status": "running",
        "run_at": moment,
        "deadline_at": moment,
        "created_at": moment,
    }
    row = OperationRow(**{**values, **columns})
    session.add(row)
    session.flush()
    for event, step in log:
        events.record(session, row, event, step=step, **({"ms": 40} if event == "done" else {}))
    session.flush()
    return row


def told(session: Session, row: OperationRow) -> story.Story:
    (only,) = story.tell(session, [row])
    return only


def lines(session: Session, row: OperationRow) -> list[tuple[str, str]]:
    return [(line.words, line.status) for line in told(session, row).lines]


def test_nothing_to_tell_asks_for_nothing(session: Session) -> None:
    assert story.tell(session, []) == []


def test_an_operation_that_waits_shows_its_first_step_at_work(session: Session) -> None:
    row = put(session, ("accepted", ""), status="queued", why="waiting", progress=0.5)
    assert lines(session, row) == [("Mixing", "running"), ("Brushing", "waiting")]
    current = told(session, row).current
    assert current is not None
    assert (current.note, current.progress, current.seconds) == ("waiting", 0.5, None)


def test_tries_and_times_are_counted(session: Session) -> None:
    log = [("started", "mix"), ("retry", "mix"), ("retry", "mix"), ("done", "mix")]
    row = put(session, *log, ("started", "brush"), step="brush")
    first, second = told(session, row).lines
    assert (first.status, first.tries, first.seconds) == ("done", 2, 0.04)
    assert second.status == "running"
    assert second.seconds is not None
    assert second.seconds >= 0


def test_a_failed_step_is_told_and_the_undone_one_too(session: Session) -> None:
    log = [("done", "mix"), ("started", "brush"), ("failed", "brush")]
    undo = [("started", "undo:mix"), ("undone", "undo:mix"), ("finished", "")]
    row = put(session, *log, *undo, status="failed", finished_at=now())
    assert lines(session, row) == [("Mixing", "undone"), ("Brushing", "failed")]
    assert told(session, row).finished
    assert told(session, row).status_words == "Failed"
    assert 4 < told(session, row).seconds < 60


def test_a_step_that_failed_before_it_was_noted_as_begun_has_no_time(session: Session) -> None:
    row = put(session, ("failed", "mix"), status="failed", finished_at=now())
    assert told(session, row).lines[0].seconds is None


def test_an_end_in_the_middle_of_a_step_shows_where(session: Session) -> None:
    row = put(session, ("started", "mix"), ("alarm", "mix"), status="cancelled", finished_at=now())
    assert lines(session, row)[0] == ("Mixing", "failed")


def test_a_good_end_leaves_the_last_step_done(session: Session) -> None:
    log = [("done", "mix"), ("done", "brush"), ("finished", "")]
    row = put(session, *log, step="brush", status="done", finished_at=now())
    assert [status for _words, status in lines(session, row)] == ["done", "done"]
    assert told(session, row).current is None


def test_steps_that_no_longer_exist_are_told_by_their_names(session: Session) -> None:
    row = put(session, ("done", "varnish"), kind="story.forgotten", step="gone", status="odd")
    assert lines(session, row) == [("varnish", "done")]
    assert (told(session, row).words, told(session, row).status_words) == ("story.forgotten", "odd")
    assert story.title(Paint.kind) == "Paint wall"


@pytest.mark.parametrize("detail", ["{not json", "[1, 2]"])
def test_an_event_whose_detail_cannot_be_read_leaves_the_others_told(
    session: Session, detail: str
) -> None:
    row = put(session, ("started", "mix"), ("done", "mix"), ("started", "brush"), step="brush")
    done = next(event for event in queries.events_of(session, row.id) if event.event == "done")
    done.detail = detail
    session.flush()
    assert lines(session, row) == [("Mixing", "done"), ("Brushing", "running")]
    assert told(session, row).lines[0].seconds is None


def test_what_has_not_ended_has_taken_the_time_until_now(session: Session) -> None:
    row = put(session, ("started", "mix"))
    assert not told(session, row).finished
    assert 5 <= told(session, row).seconds < 60


def test_why_it_failed_is_told(session: Session) -> None:
    row = put(session, ("failed", "mix"), status="failed", error_message="There is no paint.")
    assert told(session, row).error == "There is no paint."
    assert told(session, put(session, ("started", "mix"))).error == ""
