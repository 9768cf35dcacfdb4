"""Durable steps per second: PostgreSQL, four workers in processes of their own.

Started with a database's URL it is one of the workers, and ends when nothing
is left to be done.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.steps_per_second import STEPS, Eight, unfinished
from tests.support import databases
from webcloud.conductor import registry, starting
from webcloud.conductor.runner import Conductor
from webcloud.db import Base, Database

# Enough that the workers' first moments, in which statements are compiled, do not count.
WORKERS, ROUNDS, OPERATIONS = 4, 2, 1000


def measure() -> Iterator[Figure]:
    """The best of ROUNDS: whatever else the machine does can only take from it."""
    registry.register(Eight)
    server = databases.start_durable()
    try:
        database = Database(server.url)
        Base.metadata.create_all(database.engine, tables=databases.TABLES)
        rates = [OPERATIONS * STEPS / _seconds(database) for _ in range(ROUNDS)]
        database.engine.dispose()
    finally:
        server.end()
    yield Figure(
        "durable_steps_per_second_postgresql",
        f"durable steps, PostgreSQL, {WORKERS} workers",
        max(rates),
        "steps/s",
        1000,
        at_least=True,
        detail=f"rounds of {', '.join(f'{rate:.0f}' for rate in rates)}",
    )


def _seconds(database: Database) -> float:
    """From the moment that every worker is ready to the last step."""
    argv = [sys.executable, "-m", "benchmarks.steps_on_a_server"]
    url = database.engine.url.render_as_string(hide_password=False)
    workers = [
        subprocess.Popen([*argv, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(WORKERS)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    with database.transaction() as session:
        for number in range(OPERATIONS):
            starting.start(session, Eight, subject_id=str(number), params={})
    began = time.monotonic()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    while unfinished(database):
        time.sleep(0.1)
    seconds = time.monotonic() - began
    for worker in workers:
        worker.wait(30)
    return seconds


def _work(url: str) -> None:
    registry.register(Eight)
    database = Database(url)
    unfinished(database)
    print("ready", flush=True)
    sys.stdin.read()
    conductor = Conductor(database, workers=1)
    conductor.start()
    while unfinished(database):
        time.sleep(0.5)
    conductor.stop()


if __name__ == "__main__":
    _work(sys.argv[1])
