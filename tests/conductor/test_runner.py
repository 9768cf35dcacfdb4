"""The threads: how soon work begins, how it is woken, and how they stop."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from tests.conductor.kinds import begin, build, journal, log, look, running
from tests.conductor.test_crashes import until
from webcloud.conductor import starting, taking
from webcloud.conductor.leases import Lease
from webcloud.conductor.operation import Done, Run, Wait
from webcloud.conductor.runner import Conductor
from webcloud.conductor.watchdog import Watchdog, exit_process
from webcloud.conductor.window import FEW
from webcloud.db import Database, now


def test_accepted_work_begins_at_once(database: Database) -> None:
    began: list[float] = []
    made = build(lambda run: began.append(time.monotonic()) or Done())  # type: ignore[func-returns-value]
    delays = []
    with running(database, poll_seconds=30):
        time.sleep(0.2)
        for _ in range(10):
            operation_id = begin(database, made)
            accepted = time.monotonic()
            until(lambda which=operation_id: look(database, which).status == "done")  # type: ignore[misc]
            delays.append(began[-1] - accepted)
    # Whoever only looked would wait for half a minute.
    assert max(delays) < 10


def test_a_wake_ends_a_long_nap(database: Database) -> None:
    ready = threading.Event()
    made = build(lambda run: Done() if ready.is_set() else Wait(60, "host"))
    with running(database, poll_seconds=5):
        operation_id = begin(database, made)
        until(lambda: look(database, operation_id).why == "host")
        ready.set()
        with database.transaction() as session:
            starting.wake(session, operation_id)
        woken = time.monotonic()
        until(lambda: look(database, operation_id).status == "done")
        assert time.monotonic() - woken < 4


def test_work_accepted_between_looking_and_sleeping_is_not_slept_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(journal)
    real, accepted = taking.due, []

    def look_too_early(given: Database, most: int) -> Any:
        due = real(given, most)
        if not accepted:
            accepted.append(begin(database, made))
        return due

    monkeypatch.setattr(taking, "due", look_too_early)
    with running(database, workers=1, poll_seconds=5):
        until(lambda: bool(accepted) and look(database, accepted[0]).status == "done", 4)


def test_work_accepted_elsewhere_is_found_by_looking(database: Database) -> None:
    made = build(journal)
    with running(database, poll_seconds=0.1) as conductor:
        starting.signals.forget(conductor.ring)
        operation_id = begin(database, made)
        until(lambda: look(database, operation_id).status == "done", 4)


def test_a_short_nap_is_short(database: Database) -> None:
    answers = iter([Wait(0.05, "host"), Done()])
    operation_id = begin(database, build(lambda run: next(answers)))
    with running(database, poll_seconds=5):
        began = time.monotonic()
        until(lambda: look(database, operation_id).status == "done")
        assert time.monotonic() - began < 4


def test_stopping_gives_back_what_is_under_way(database: Database) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(run: Run) -> Done:
        entered.set()
        leave.wait(10)
        return journal(run)

    operation_id = begin(database, build(slow, journal))
    conductor = Conductor(database, workers=1)
    conductor.start()
    entered.wait(10)
    threading.Timer(0.1, leave.set).start()
    conductor.stop()
    row = look(database, operation_id)
    assert (row.step, row.lease_token, row.status) == ("two", None, "running")
    assert taking.claim(database, "another") is not None
    assert log(database, operation_id, "mark") == ["mark one"]


def test_a_database_that_is_away_does_not_end_the_workers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(journal)
    real, failures = taking.due, []

    def away(given: Database, most: int) -> Any:
        if len(failures) < 2:
            failures.append(1)
            raise RuntimeError
        return real(given, most)

    monkeypatch.setattr(taking, "due", away)
    with running(database, workers=1, poll_seconds=0.05):
        operation_id = begin(database, made)
        until(lambda: look(database, operation_id).status == "done")


def test_another_worker_may_take_the_work_first(database: Database) -> None:
    operation_id = begin(database, build(journal))
    first = taking.claim(database, "first")
    assert first is not None
    conductor = Conductor(database)
    conductor.ring(operation_id)
    conductor._carry_next("late")
    assert look(database, operation_id).lease_token == first.token


def test_work_that_naps_is_not_taken_early_by_a_late_ring(database: Database) -> None:
    operation_id = begin(database, build(lambda run: Wait(60, "host")))
    conductor = Conductor(database)
    for _ in range(2):
        conductor.ring(operation_id)
        conductor._carry_next("late")
    assert log(database, operation_id) == ["accepted", "started one"]
    assert taking.claim(database, "late", operation_id=operation_id, early=False) is None
    assert taking.claim(database, "late", operation_id=operation_id) is not None


def test_more_work_than_one_look_finds_is_all_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webcloud.conductor.window.FEW", 2)
    made = build(journal)
    ids = [begin(database, made) for _ in range(5)]
    with running(database, workers=1, poll_seconds=60):
        until(lambda: all(look(database, each).status == "done" for each in ids))


def test_naps_without_length_are_not_overlooked_by_the_other_threads(database: Database) -> None:
    tries: dict[str, int] = {}

    def wait_often(run: Run) -> Done | Wait:
        tries[run.operation.id] = tries.get(run.operation.id, 0) + 1
        return Done() if tries[run.operation.id] == 15 else Wait(0, "host")

    made = build(wait_often)
    ids = [begin(database, made) for _ in range(4)]
    with running(database, workers=4, poll_seconds=60):
        until(lambda: all(look(database, each).status == "done" for each in ids), 30)


def test_a_ring_for_what_another_thread_carries_is_no_loss(database: Database) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(run: Run) -> Done:
        entered.set()
        leave.wait(10)
        return journal(run)

    operation_id = begin(database, build(slow))
    with running(database, workers=2, poll_seconds=60) as conductor:
        assert entered.wait(10)
        conductor.ring(operation_id)
        try:
            until(lambda: not conductor._ready, 5)
            time.sleep(0.2)  # until the other thread has asked for it in vain
        finally:
            leave.set()
        until(lambda: look(database, operation_id).status == "done")
        assert conductor._window._lost == 0


def test_the_threads_of_one_conductor_do_not_count_as_others(database: Database) -> None:
    made = build(journal)
    ids = [begin(database, made) for _ in range(60)]
    with running(database, workers=4) as conductor:
        until(lambda: all(look(database, each).status == "done" for each in ids), 30)
        assert conductor._window.size == FEW


def test_a_ring_without_a_name_has_the_conductor_look(database: Database) -> None:
    made = build(journal)
    with running(database, poll_seconds=60) as conductor:
        starting.signals.forget(conductor.ring)
        operation_id = begin(database, made)
        conductor.ring()
        until(lambda: look(database, operation_id).status == "done")


def test_the_watchdog_must_be_quicker_than_the_lease(database: Database) -> None:
    with pytest.raises(ValueError, match="watchdog"):
        Conductor(database, lease_seconds=5, watchdog_seconds=5)


def test_the_watchdog_tells_once_and_only_of_what_overran() -> None:
    told: list[int] = []
    watchdog = Watchdog(0.2, lambda: told.append(1))
    watchdog.start()
    old, fresh, done = (
        Lease(str(number), str(number), "w", 10, time.monotonic() + later, now())
        for number, later in enumerate([0, 60, 0])
    )
    for lease in (old, fresh, done):
        watchdog.watch(lease)
    watchdog.forget(done)
    until(lambda: told == [1], 3)
    time.sleep(0.3)
    watchdog.stop()
    assert told == [1]


def test_an_overrun_exits_with_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    exit_process()
    assert statuses == [2]


def test_stopping_does_not_wait_for_ever(database: Database) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck(run: Run) -> Done:
        entered.set()
        leave.wait(10)
        return Done()

    begin(database, build(stuck))
    conductor = Conductor(database, workers=1)
    conductor.start()
    entered.wait(10)
    began = time.monotonic()
    conductor.stop(0.2)
    assert time.monotonic() - began < 4
    leave.set()
    conductor._threads[0].join()
