"""A conductor that holds many operations when it is frozen, and comes back too late.

``python -m tests.chaos.zombie URL FOLDER WORKERS PLACE`` runs three-step
operations.  The process that finds ``FOLDER/linger`` stays in each first step
(``inside``: its effect is written but not committed) or just before it
(``before``) until ``FOLDER/go`` appears.  The watchdog is not armed: what keeps
a late worker from writing must be the lease alone.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conductor.kinds import build
from webcloud.conductor import runner, steps
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationEvent
from webcloud.conductor.operation import Done, Operation, Run
from webcloud.conductor.runner import Conductor
from webcloud.db import Database

LEASE = 2.0
folders: list[Path] = []  # Set where operations are carried out.


def effect(run: Run) -> Done:
    """One row, in the step's transaction, that says which process wrote it."""
    run.session.add(
        OperationEvent(
            operation_id=run.operation.id,
            at=run.now,
            step=run.step,
            event="effect",
            detail=json.dumps({"pid": os.getpid()}),
        )
    )
    run.session.flush()
    return Done()


def first(run: Run) -> Done:
    effect(run)
    if folders:
        linger(folders[0], "inside", run.operation.id)
    return Done()


@functools.cache
def kind() -> type[Operation]:
    """Registered once in a process."""
    return build(first, effect, effect, kind="thing.zombie", undo=effect)


def linger(folder: Path, place: str, operation_id: str) -> None:
    """Say that the operation is held here, and wait to be let go."""
    if not (folder / "linger").exists() or (folder / "linger").read_text() != place:
        return
    (folder / f"held-{operation_id}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)


def main(url: str, directory: str, workers: str, place: str) -> None:
    folder = Path(directory)
    folders.append(folder)
    kind()
    real: Callable[[Database, Lease], bool] = steps.execute

    def execute(database: Database, lease: Lease) -> bool:
        if place == "before":
            linger(folder, "before", lease.operation_id)
        kept = real(database, lease)
        if (folder / f"held-{lease.operation_id}").exists():
            (folder / f"tried-{lease.operation_id}-{os.getpid()}").touch()
        return kept

    holder: Any = runner
    holder.steps.execute = execute
    # Nothing else may hold a lock when the process is frozen: on SQLite there is only one.
    holder.registry.register_periodic = lambda *_: None
    conductor = Conductor(
        Database(url),
        int(workers),
        lease_seconds=LEASE,
        watchdog_seconds=LEASE * 0.9,
        on_overrun=lambda: None,
    )
    conductor.start()
    time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
