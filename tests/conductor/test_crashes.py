"""Killed, hanging and overtaken workers lose nothing and write nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tests.conductor import worker
from tests.conductor.kinds import begin, build, journal, log, look, running
from tests.support.databases import TABLES, Servers
from webcloud import db
from webcloud.conductor import leases, steps, taking
from webcloud.conductor.leases import LeaseLost
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Run
from webcloud.conductor.runner import Conductor
from webcloud.db import Base, Database, now
from webcloud.errors import Unavailable

OPERATIONS = int(os.environ.get("CONDUCTOR_TEST_OPERATIONS", "60"))
KILLS = int(os.environ.get("CONDUCTOR_TEST_KILLS", "1"))


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def process(database: Database, directory: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    url = database.engine.url.render_as_string(hide_password=False)
    argv = [sys.executable, "-m", "tests.conductor.worker", url, str(directory), *words]
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, cwd=root, stderr=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def test_a_killed_worker_loses_nothing(database: Database, tmp_path: Path) -> None:
    made = worker.make(tmp_path)
    operation_id = begin(database, made)
    with process(database, tmp_path, "0.99") as victim:
        until((tmp_path / "hanging").exists)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert look(database, operation_id).step == "two"
    with running(database, workers=2):
        until(lambda: look(database, operation_id).status == "done")
    assert log(database, operation_id, "mark") == ["mark one", "mark two", "mark three"]


def test_killing_workers_again_and_again_loses_and_repeats_nothing(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "hanging").touch()
    made = worker.make(tmp_path)
    ids = [begin(database, made) for _ in range(OPERATIONS)]
    for _ in range(KILLS):
        left = unfinished(database)
        with process(database, tmp_path, "0.99") as one, process(database, tmp_path, "0.99") as two:
            until(lambda before=left: unfinished(database) < before)  # type: ignore[misc]
            for victim in (one, two):
                victim.send_signal(signal.SIGKILL)
    with running(database, workers=2):
        until(lambda: unfinished(database) == 0, 60)
    for operation_id in ids:
        assert log(database, operation_id, "mark") == ["mark one", "mark two", "mark three"]


def test_the_watchdog_ends_a_process_that_hangs(database: Database, tmp_path: Path) -> None:
    made = worker.make(tmp_path)
    operation_id = begin(database, made)
    with process(database, tmp_path, "0.5") as hanging:
        assert hanging.wait(20) == 2
        assert hanging.stderr is not None
        said = hanging.stderr.read().decode()
    assert "hang_once" in said
    assert operation_id in said
    with running(database, workers=1):
        until(lambda: look(database, operation_id).status == "done")


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    def overtaken(run: Run) -> Done:
        journal(run)
        run.session.execute(update(OperationRow).values(lease_token="another"))
        run.session.flush()
        return Done()

    operation_id = begin(database, build(overtaken, journal))
    lease = taking.claim(database, "zombie", operation_id=operation_id)
    assert lease is not None
    assert steps.execute(database, lease) is False
    assert log(database, operation_id) == ["accepted"]
    expire(database)
    second = taking.claim(database, "heir")
    assert second is not None
    assert steps.execute(database, lease) is False
    with pytest.raises(LeaseLost), database.transaction() as session:
        leases.confirmed(session, lease, leases.held(session, lease))
    taking.hand_back(database, lease)
    assert look(database, operation_id).lease_token == second.token
    assert log(database, operation_id) == ["accepted"]


def test_an_error_after_the_lease_was_lost_writes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: Run) -> Done:
        raise RuntimeError

    operation_id = begin(database, build(broken))
    lease = taking.claim(database, "zombie")
    assert lease is not None
    real = steps.failures.handle
    monkeypatch.setattr(
        steps.failures,
        "handle",
        lambda *arguments: (expire(database), taking.claim(database, "heir"), real(*arguments))[2],
    )
    assert steps.execute(database, lease) is False
    assert log(database, operation_id) == ["accepted"]


def test_a_held_operation_is_not_taken_before_the_lease_ends(database: Database) -> None:
    operation_id = begin(database, build(journal))
    first = taking.claim(database, "a")
    assert first is not None
    assert taking.due(database) == []
    assert taking.claim(database, "b") is None
    assert taking.claim(database, "b", operation_id=operation_id) is None
    expire(database)
    assert [found for found, _ in taking.due(database)] == [operation_id]
    second = taking.claim(database, "b")
    assert second is not None
    assert second.token != first.token


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_frozen_worker_that_holds_locks_does_not_keep_its_heir_waiting(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(db, "IDLE_SECONDS", 1)
    database = Database(servers.url(kind))
    Base.metadata.create_all(database.engine, tables=TABLES)
    operation_id = begin(database, build(journal))
    frozen = taking.claim(database, "frozen", 0.5, operation_id)
    assert frozen is not None
    with pytest.raises(Unavailable), database.transaction() as session:
        leases.confirmed(session, frozen, leases.held(session, frozen))
        until(lambda: taking.claim(database, "heir", operation_id=operation_id) is not None)
        session.execute(select(OperationRow.id)).all()
    database.engine.dispose()


def test_two_runners_never_run_one_step_at_the_same_time(database: Database) -> None:
    inside: dict[str, int] = {}
    guard, clashes = threading.Lock(), []

    def alone(run: Run) -> Done:
        with guard:
            inside[run.subject_id] = inside.get(run.subject_id, 0) + 1
            if inside[run.subject_id] > 1:
                clashes.append(run.subject_id)
        journal(run)
        time.sleep(0.001)
        with guard:
            inside[run.subject_id] -= 1
        return Done()

    made = build(alone, alone, alone)
    other = Database(database.engine.url.render_as_string(hide_password=False))
    conductors = [Conductor(database, workers=3), Conductor(other, workers=3)]
    ids = [begin(database, made) for _ in range(30)]
    for conductor in conductors:
        conductor.start()
    until(lambda: all(look(database, i).status == "done" for i in ids), 30)
    for conductor in conductors:
        conductor.stop()
    other.engine.dispose()
    assert clashes == []
    for operation_id in ids:
        assert log(database, operation_id, "mark") == ["mark one", "mark two", "mark three"]


def expire(database: Database) -> None:
    with database.transaction() as session:
        session.execute(update(OperationRow).values(lease_until=now() - timedelta(seconds=1)))


def unfinished(database: Database) -> int:
    with database.reading() as session:
        question = select(func.count()).where(OperationRow.finished_at.is_(None))
        return session.scalar(question) or 0
