"""Durable steps per second: SQLite with full sync, one worker.

Every operation has eight steps that do nothing, so what is measured is the
engine: one committed transaction per step.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator

from sqlalchemy import func, select

from benchmarks.figure import Figure
from webcloud.conductor import registry, starting
from webcloud.conductor.models import OperationEvent, OperationRow, PeriodicRow
from webcloud.conductor.operation import Done, Operation, Step
from webcloud.conductor.runner import Conductor
from webcloud.db import Base, Database

OPERATIONS = 150
STEPS = 8
ROUNDS = 3


class Eight(Operation):
    """Eight steps that each remember their name."""

    kind = "benchmark.eight"
    subject_type = "benchmark"
    words = "Benchmark"
    steps = tuple(
        Step(f"step_{number}", "Step", lambda run: Done({run.step: 1}), no_undo="It does nothing.")
        for number in range(STEPS)
    )


def seconds_for_all(database: Database) -> float:
    """Seconds from the first step to the last."""
    with database.transaction() as session:
        for number in range(OPERATIONS):
            starting.start(session, Eight, subject_id=str(number), params={})
    conductor = Conductor(database, workers=1)
    began = time.monotonic()
    conductor.start()
    while unfinished(database):
        time.sleep(0.02)
    seconds = time.monotonic() - began
    conductor.stop()
    return seconds


def unfinished(database: Database) -> int:
    with database.reading() as session:
        question = select(func.count()).where(OperationRow.finished_at.is_(None))
        return session.scalar(question) or 0


def measure() -> Iterator[Figure]:
    """The best of ROUNDS: whatever else the machine does can only take from it."""
    registry.register(Eight)
    rounds, processor = [], []
    # On a real disk: /tmp may be in memory, where a full sync costs nothing.
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            database = Database(f"sqlite:///{directory}/webcloud.db")
            tables = [model.__table__ for model in (OperationRow, OperationEvent, PeriodicRow)]
            Base.metadata.create_all(database.engine, tables=tables)
            before = time.process_time()
            rounds.append(OPERATIONS * STEPS / seconds_for_all(database))
            processor.append((time.process_time() - before) / (OPERATIONS * STEPS))
            database.engine.dispose()
    yield Figure(
        "durable_steps_per_second",
        "durable steps, SQLite FULL, one worker",
        max(rounds),
        "steps/s",
        300,
        at_least=True,
        detail=f"rounds of {', '.join(f'{rate:.0f}' for rate in rounds)}; "
        f"{min(processor) * 1000:.1f} ms of processor each; "
        f"SQLite alone {bare_commits_per_second():.0f} commits/s",
    )


def bare_commits_per_second() -> float:
    """What the disk allows now: one small row in each durable transaction."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        database = sqlite3.connect(f"{directory}/bare.db", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE t (x)",
        ):
            database.execute(statement)
        began = time.perf_counter()
        for _ in range(OPERATIONS):
            database.execute("INSERT INTO t VALUES ('one small row')")
        seconds = time.perf_counter() - began
        database.close()
    return OPERATIONS / seconds
