"""A conductor in a process of its own, for tests that kill it.

``python -m tests.conductor.worker URL DIRECTORY`` carries out operations of
the kind ``thing.make`` whose second step says in DIRECTORY that it runs and
then, when it is the first to do so, never ends.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.conductor.kinds import build, journal
from webcloud.conductor.operation import Done, Operation, Run
from webcloud.conductor.runner import Conductor
from webcloud.db import Database

LEASE = 1.0


def make(directory: Path) -> type[Operation]:
    def hang_once(run: Run) -> Done:
        journal(run)
        run.session.flush()
        try:
            (directory / "hanging").touch(exist_ok=False)
        except FileExistsError:
            return Done()
        time.sleep(3600)
        return Done()

    return build(journal, hang_once, journal)


def main(url: str, directory: str, watchdog: str = "0.9") -> None:
    make(Path(directory))
    conductor = Conductor(
        Database(url), workers=1, lease_seconds=LEASE, watchdog_seconds=float(watchdog)
    )
    conductor.start()
    time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
