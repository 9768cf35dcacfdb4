"""Clocks that jump an hour, forward and back: no work sleeps, none fails early, none runs twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.conductor.kinds import begin, build, drive, journal, log, look, turn
from webcloud import clock, db
from webcloud.clock import Clock
from webcloud.conductor import clocks, leases, registry, signals, starting, taking
from webcloud.conductor.clocks import ClockWatch
from webcloud.conductor.models import OperationRow, PeriodicRow
from webcloud.conductor.operation import Done, Run, Wait
from webcloud.conductor.periodic import run_if_due
from webcloud.conductor.registry import Periodic
from webcloud.conductor.runner import Conductor
from webcloud.db import Database, now
from webcloud.errors import Unavailable

HOUR = 3600.0


class Reference:
    """The database's clock, moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> Reference:
    """What every new watch looks at; the process's clock is put back afterwards.

    Other domains, whose tables are not here, do not listen.
    """
    made = Reference()
    monkeypatch.setattr(signals, "_jumping", [])
    monkeypatch.setattr(db, "clock", Clock())
    monkeypatch.setattr(clocks, "time_of", lambda database, _clock: made())
    return made


@pytest.fixture
def watch(database: Database, reference: Reference) -> ClockWatch:
    """A watch that has looked once, as at the start of a process."""
    made = ClockWatch(database, db.clock)
    made.look()
    return made


def test_a_clock_goes_on_steadily_and_follows_small_drifts() -> None:
    wall, ticks = [100.0], [5.0]
    steady = Clock(wall=lambda: wall[0], monotonic=lambda: ticks[0])
    ticks[0], wall[0] = 6.0, 5000.0
    assert steady.now() == 101.0
    assert steady.jump(101.5) == 0.0
    assert steady.now() == 101.5
    assert steady.jump(wall[0]) == 5000.0 - 101.5
    assert steady.now() == 101.5, "nobody sees the new time before it is adopted"
    assert not steady.settling
    steady.adopt(5000.0 - 101.5)
    assert steady.now() == 5000.0
    assert steady.settling


def test_a_jump_forward_takes_no_time_from_an_operation(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    made = build(journal, deadline_seconds=60)
    operation_id = begin(database, made)
    lease = taking.claim(database, "first")
    assert lease is not None
    reference.ahead = HOUR
    watch.look()
    assert now().timestamp() == pytest.approx(reference(), abs=1)
    row = look(database, operation_id)
    assert 50 < (row.deadline_at - now()).total_seconds() <= 60
    assert taking.claim(database, "second") is None, "the lease of the first lasts on"
    taking.hand_back(database, lease)
    assert drive(database, operation_id).status == "done"


def test_two_controllers_that_see_the_same_jump_give_one_allowance_at_most(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    operation_id = begin(database, build(journal, deadline_seconds=60))
    other = ClockWatch(database, Clock())
    other.look()
    reference.ahead = HOUR
    watch.look()
    other.look()
    left = (look(database, operation_id).deadline_at - now()).total_seconds()
    assert 50 < left <= 61


def test_after_a_jump_back_no_nap_and_no_lease_lasts_an_hour(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    answers = iter([Wait(5, "host"), Done()])
    napping = begin(database, build(lambda run: next(answers), kind="thing.nap"))
    turn(database, napping)
    held = begin(database, build(journal, kind="thing.hold"))
    assert taking.claim(database, "dead", operation_id=held) is not None
    reference.ahead = -HOUR
    watch.look()
    assert {found for found, run_at in taking.due(database, 9) if run_at <= now()} == {
        napping,
        held,
    }
    for _ in range(2):
        lease = taking.claim(database, "heir")
        assert lease is not None
        turn_of(database, lease)
    assert [look(database, each).status for each in (napping, held)] == ["done", "done"]


def turn_of(database: Database, lease: leases.Lease) -> None:
    from webcloud.conductor import steps

    while steps.execute(database, lease):
        pass


def test_what_was_accepted_in_the_old_time_after_the_jump_is_not_late(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    reference.ahead = HOUR
    watch.look()
    operation_id = begin(database, build(journal, deadline_seconds=60))
    with database.transaction() as session:
        row = session.get_one(OperationRow, operation_id)
        row.deadline_at -= timedelta(hours=1)
    row = look(database, operation_id)
    assert not leases.is_late(row, now())
    watch.look()
    assert look(database, operation_id).deadline_at > now()


def test_a_jump_back_leaves_no_deadline_an_hour_away(
    database: Database, watch: ClockWatch, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation_id = begin(database, build(journal, deadline_seconds=60))
    reference.ahead = -HOUR
    watch.look()
    assert look(database, operation_id).deadline_at - now() > timedelta(minutes=50)
    monkeypatch.setattr(clock, "SETTLED_SECONDS", 0.0)
    reference.ahead = -2 * HOUR
    watch.look()
    assert look(database, operation_id).deadline_at - now() <= timedelta(seconds=61)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_what_was_given_longer_than_its_kind_keeps_it_through_a_jump(
    database: Database,
    watch: ClockWatch,
    reference: Reference,
    monkeypatch: pytest.MonkeyPatch,
    ahead: float,
) -> None:
    made = build(journal, deadline_seconds=60)
    with database.transaction() as session:
        row = starting.start(session, made, subject_id="s", params={}, extra_seconds=6 * HOUR)
        operation_id = row.id
    monkeypatch.setattr(clock, "SETTLED_SECONDS", 0.0)
    reference.ahead = ahead
    watch.look()
    watch.look()
    left = (look(database, operation_id).deadline_at - now()).total_seconds()
    assert 6 * HOUR < left <= 6 * HOUR + 61


def test_what_an_older_version_accepted_has_the_time_of_its_kind() -> None:
    build(journal, deadline_seconds=60)
    assert clocks.allowance("thing.make", None) == timedelta(seconds=60)
    assert clocks.allowance("thing.make", 5.0) == timedelta(seconds=5)
    assert clocks.allowance("thing.unheard_of", None) == timedelta(days=1)


def test_an_operation_of_an_unknown_kind_keeps_a_deadline_of_a_day(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    operation_id = begin(database, build(journal))
    registry._operations.clear()
    with database.transaction() as session:
        # As a version before this one has accepted it.
        session.get_one(OperationRow, operation_id).allowed_seconds = None
    reference.ahead = 48 * HOUR
    watch.look()
    assert look(database, operation_id).deadline_at - now() <= timedelta(hours=24)


def test_periodic_work_does_not_sleep_after_a_jump_back(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    ran: list[int] = []
    periodic = Periodic("work", 5.0, lambda _database: ran.append(1))
    run_if_due(database, periodic)
    with database.transaction() as session:
        lease = now() + timedelta(seconds=60)
        session.execute(update(PeriodicRow).values(lease_token="dead", lease_until=lease))
    reference.ahead = -HOUR
    watch.look()
    run_if_due(database, periodic)
    assert ran == [1, 1]


def test_a_controller_whose_own_clock_is_wrong_follows_the_database(
    database: Database, reference: Reference
) -> None:
    operation_id = begin(database, build(journal, deadline_seconds=60))
    wrong = Clock(wall=lambda: time.time() + 2 * HOUR)
    heard: list[float] = []
    signals.on_jump(lambda _database, seconds: heard.append(seconds))
    before = look(database, operation_id).deadline_at
    ClockWatch(database, wrong).look()
    assert wrong.now() == pytest.approx(time.time(), abs=1)
    assert look(database, operation_id).deadline_at == before
    assert heard == [0.0], "what it kept of its own is not comparable"


def test_a_jump_is_followed_only_when_the_moments_in_rows_have_been_put_right(
    database: Database, watch: ClockWatch, reference: Reference
) -> None:
    answers = iter([Unavailable("The database is away.")])
    heard: list[tuple[float, float]] = []

    def put_right(_database: Database, seconds: float) -> None:
        for error in answers:
            raise error
        heard.append((seconds, time.time() - db.clock.now()))

    signals.on_jumping(put_right)
    signals.on_jumping(put_right)
    reference.ahead = -HOUR
    with pytest.raises(Unavailable):
        watch.look()
    assert db.clock.now() == pytest.approx(time.time(), abs=1)
    watch.look()
    assert heard == [(pytest.approx(-HOUR, abs=1), pytest.approx(0.0, abs=1))]
    assert db.clock.now() == pytest.approx(time.time() - HOUR, abs=1)


def test_an_answer_that_took_too_long_is_not_believed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clocks.time_of(database, Clock()) == pytest.approx(time.time(), abs=1)
    monkeypatch.setattr(clocks, "SLOWEST_ANSWER", -1.0)
    slow = clocks.time_of(database, Clock())
    assert (slow is None) == (not database.is_sqlite)
    watch = ClockWatch(database, Clock(), reference=lambda: None)
    watch.look()


def test_a_look_that_fails_is_tried_again(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "LOOK_SECONDS", 0.01)
    looked = threading.Event()
    answers = iter([ConnectionError("away")])

    def unsure() -> float:
        for error in answers:
            raise error
        looked.set()
        return time.time()

    watch = ClockWatch(database, Clock(), reference=unsure)
    watch.start()
    assert looked.wait(10)
    watch.stop()
    assert "the clock could not be looked at" in caplog.text


@pytest.fixture
def running(database: Database, reference: Reference) -> Iterator[Callable[[], Conductor]]:
    started: list[Conductor] = []

    def start() -> Conductor:
        started.append(Conductor(database, workers=2))
        started[-1].start()
        return started[-1]

    yield start
    for conductor in started:
        conductor.stop()


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_running_conductor_finishes_everything_once_over_a_jump(
    jump: float,
    database: Database,
    reference: Reference,
    running: Callable[[], Conductor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clocks, "LOOK_SECONDS", 0.1)

    def slow(run: Run) -> Done | Wait:
        if run.operation.attempt < 2 and "waited" not in run.operation.why:
            return Wait(0.5, "waited")
        return journal(run)

    made = build(slow, journal, journal, deadline_seconds=30)
    running()
    ids = [begin(database, made) for _ in range(10)]
    time.sleep(0.2)
    reference.ahead = jump
    ids += [begin(database, made) for _ in range(10)]
    until = time.monotonic() + 30
    while unfinished(database, ids):
        assert time.monotonic() < until, "work sleeps"
        time.sleep(0.05)
    for each in ids:
        assert look(database, each).status == "done"
        assert log(database, each, "mark") == ["mark one", "mark two", "mark three"]


def unfinished(database: Database, ids: list[str]) -> bool:
    return any(look(database, each).finished_at is None for each in ids)


def test_rows_are_read_as_before_by_who_has_looked(database: Database, watch: ClockWatch) -> None:
    operation_id = begin(database, build(journal))
    with database.reading() as session:
        row = session.get_one(OperationRow, operation_id)
        assert row.run_at <= now()
