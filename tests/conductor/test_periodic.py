"""Reconcilers run in time, when hinted, on one controller, and apart from each other."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.conductor.kinds import running
from tests.conductor.test_crashes import until
from webcloud.conductor import periodic, registry
from webcloud.conductor.models import PeriodicRow
from webcloud.db import Database, now


def row_of(database: Database, name: str) -> PeriodicRow:
    with database.reading() as session:
        row = session.get(PeriodicRow, name)
        assert row is not None
        return row


def failures_of(database: Database, name: str) -> int:
    """0 also before it has run at all."""
    with database.reading() as session:
        row = session.get(PeriodicRow, name)
        return row.failures if row else 0


def test_each_runs_on_its_timer_and_a_failing_one_stops_no_other(database: Database) -> None:
    runs: list[float] = []

    def broken(given: Database) -> None:
        raise ValueError("secret")

    registry.register_periodic("broken", 0.05, broken)
    registry.register_periodic("good", 0.05, lambda given: runs.append(time.monotonic()))
    with running(database, workers=1):
        until(lambda: len(runs) >= 3 and failures_of(database, "broken") >= 2)
    assert row_of(database, "broken").last_error == "ValueError"
    good = row_of(database, "good")
    assert (good.failures, good.last_error, good.lease_token) == (0, "", None)
    assert good.finished_at is not None


def test_a_hint_runs_it_before_its_time(database: Database) -> None:
    runs: list[int] = []
    registry.register_periodic("rare", 3600, lambda given: runs.append(1))
    with running(database, workers=1) as conductor:
        until(lambda: len(runs) == 1 and row_of(database, "rare").lease_token is None)
        conductor.hint("rare")
        conductor.hint("unknown")
        until(lambda: len(runs) == 2, 8)
    assert row_of(database, "rare").run_at - now() > timedelta(minutes=50)


def test_two_controllers_run_it_once(database: Database) -> None:
    runs: list[int] = []
    inside = threading.Event()
    leave = threading.Event()

    def slow(given: Database) -> None:
        runs.append(1)
        inside.set()
        leave.wait(10)

    work = registry.Periodic("slow", 3600, slow)
    first = threading.Thread(target=periodic.run_if_due, args=(database, work))
    first.start()
    inside.wait(10)
    assert periodic.run_if_due(database, work) == (False, 1.0)
    assert periodic.run_if_due(database, work, hinted=True) == (False, 1.0)
    leave.set()
    first.join()
    assert periodic.run_if_due(database, work) == (False, periodic.LONGEST_NAP)
    assert runs == [1]


def test_the_work_of_a_dead_controller_is_taken_over(database: Database) -> None:
    runs: list[int] = []
    work = registry.Periodic("work", 10, lambda given: runs.append(1))
    periodic.run_if_due(database, work)
    with database.transaction() as session:
        past = now() - timedelta(seconds=1)
        session.execute(update(PeriodicRow).values(lease_token="x", lease_until=past, run_at=past))
    periodic.run_if_due(database, work)
    assert runs == [1, 1]


@pytest.mark.parametrize(("every", "seconds"), [(0.5, 5), (2, 5), (15, 30), (60, 60), (3600, 60)])
def test_what_runs_often_does_not_stand_still_for_long_when_its_controller_dies(
    database: Database, every: float, seconds: float
) -> None:
    work = registry.Periodic("work", every, lambda given: None)
    periodic._create(database, work)
    began = now()
    assert periodic._take(database, work, "dies with it", False)
    until = row_of(database, "work").lease_until
    assert until is not None
    assert timedelta(seconds=seconds) <= until - began <= now() - began + timedelta(seconds=seconds)


def test_two_controllers_may_create_its_row_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = registry.Periodic("work", 10, lambda given: None)
    periodic._create(database, work)
    periodic._create(database, work)
    assert row_of(database, "work").failures == 0


def test_a_database_that_is_away_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    registry.register_periodic("work", 3600, lambda given: runs.append(1))
    monkeypatch.setattr(periodic, "LONGEST_NAP", 0.05)
    real, failures = periodic._take, []

    def away(*arguments: object) -> bool:
        failures.append(1)
        if len(failures) < 3:
            raise RuntimeError
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(periodic, "_take", away)
    runner = periodic.PeriodicRunner(database)
    runner.start()
    until(lambda: runs == [1])
    runner.stop(time.monotonic() + 5)


def test_stopping_during_a_run_does_not_sleep(database: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(given: Database) -> None:
        inside.set()
        leave.wait(10)

    registry.register_periodic("slow", 3600, slow)
    runner = periodic.PeriodicRunner(database)
    runner.start()
    inside.wait(10)
    threading.Timer(0.1, leave.set).start()
    began = time.monotonic()
    runner.stop(time.monotonic() + 5)
    assert time.monotonic() - began < 4.5
