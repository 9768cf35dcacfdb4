"""How long the work of a killed worker rests until another one has taken it up.

A process with many workers takes operations and holds them, under leases as
they are in the product.  At a random moment it is killed with -9, and another
conductor, which is there already, carries them on.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure
from webcloud.conductor import runner, starting
from webcloud.conductor.models import OperationEvent, OperationRow, PeriodicRow
from webcloud.conductor.operation import Done, Operation, Run, Step
from webcloud.conductor.registry import register
from webcloud.conductor.runner import Conductor
from webcloud.db import Base, Database, new_id

ROUNDS, HELD = 6, 25
# The victim's own watchdog would end it after eight seconds.
LATEST = 4.0

taken: dict[str, float] = {}


def note(run: Run) -> Done:
    taken.setdefault(run.operation.id, time.monotonic())
    return Done()


@register
class Resting(Operation):
    """One step, which says when it was taken up."""

    kind = "benchmark.resting"
    subject_type = "benchmark"
    words = "Benchmark"
    steps = (Step("only", "Step", note, no_undo="It does nothing."),)


def measure() -> Iterator[Figure]:
    seconds = sorted(rested for _ in range(ROUNDS) for rested in _round())
    yield Figure(
        "take_over",
        "Work of a killed worker rests, p99",
        seconds[int(0.99 * len(seconds))],
        "s",
        12,
        "for good: the server stays in BUILD",
        detail=f"{len(seconds)} held leases, median {seconds[len(seconds) // 2]:.1f} s",
    )


def _round() -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/benchmark.sqlite"
        database = Database(url)
        tables: Any = [each.__table__ for each in (OperationRow, OperationEvent, PeriodicRow)]
        Base.metadata.create_all(database.engine, tables=tables)
        with database.transaction() as session:
            ids = [
                starting.start(session, Resting, subject_id=new_id(), params={}).id
                for _ in range(HELD)
            ]
        argv = [sys.executable, "-m", "benchmarks.take_over", url, folder]
        with subprocess.Popen(argv, cwd=Path(__file__).parents[1]) as victim:
            _until(lambda: len(list(Path(folder).glob("held-*"))) == HELD)
            heir = Conductor(database, workers=4)
            heir.start()
            time.sleep(random.uniform(0, LATEST))  # noqa: S311
            killed = time.monotonic()
            victim.kill()
        _until(lambda: all(each in taken for each in ids))
        heir.stop()
        database.engine.dispose()
        return [taken[each] - killed for each in ids]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in a minute"
        time.sleep(0.01)


def hold(url: str, folder: str) -> None:
    """The victim: takes operations and never carries one out."""

    def held(_database: Database, lease: Any) -> bool:
        (Path(folder) / f"held-{lease.operation_id}").touch()
        time.sleep(3600)
        return False

    module: Any = runner
    module.steps.execute = held
    Conductor(Database(url), workers=HELD).start()
    time.sleep(3600)


if __name__ == "__main__":
    hold(*sys.argv[1:])
