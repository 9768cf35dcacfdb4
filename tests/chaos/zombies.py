"""Workers and agents that come back after their right to act has ended.

``python -m tests.chaos.zombies --trials 200`` freezes conductors that hold
leases until others have done their work, and agents whose commands are taken
back meanwhile, then lets them go on.  Prints the trials, and every effect that
came too late; there must be none.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from tests.chaos import zombie
from tests.conductor.kinds import begin
from tests.support.databases import TABLES, Servers
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.db import Base, Database

SECONDS = 120.0
STEPS = ("one", "two", "three")
ON_SERVERS = [(kind, place) for kind in ("postgresql", "mariadb") for place in ("before", "inside")]


def conductors(url: str, place: str, at_once: int) -> list[str]:
    """One round: ``at_once`` held operations; what the zombie wrote, in words."""
    folder = Path(tempfile.mkdtemp(prefix="wc-zombie-", dir="/var/tmp"))
    try:
        return _round(Database(url), url, folder, place, at_once)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _round(database: Database, url: str, folder: Path, place: str, at_once: int) -> list[str]:
    Base.metadata.create_all(database.engine, tables=TABLES)
    (folder / "linger").write_text(place)
    ids = [begin(database, zombie.kind()) for _ in range(at_once)]
    with _process(url, folder, place, at_once) as late:
        _until(lambda: len(list(folder.glob("held-*"))) == at_once, "not every lease is held")
        late.send_signal(signal.SIGSTOP)
        (folder / "linger").unlink()
        with _process(url, folder, place, 4):
            _until(lambda: _unfinished(database, ids) == 0, "the heir does not finish")
        (folder / "go").touch()
        late.send_signal(signal.SIGCONT)
        wanted = f"tried-*-{late.pid}"
        _until(lambda: len(list(folder.glob(wanted))) == at_once, "a zombie did not try")
    found = _effects(database, ids, late.pid)
    database.engine.dispose()
    return found


def _effects(database: Database, ids: list[str], late: int) -> list[str]:
    """Effects of the zombie, and effects that are there twice or not at all."""
    found = []
    for operation_id in ids:
        with database.reading() as session:
            wanted = select(OperationEvent).where(
                OperationEvent.operation_id == operation_id, OperationEvent.event == "effect"
            )
            rows = session.scalars(wanted.order_by(OperationEvent.id)).all()
        found += [
            f"the zombie wrote {row.step} of {operation_id}"
            for row in rows
            if json.loads(row.detail)["pid"] == late
        ]
        if tuple(row.step for row in rows) != STEPS:
            found.append(f"{operation_id} has the effects {[row.step for row in rows]}")
    return found


@contextmanager
def _process(url: str, folder: Path, place: str, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "tests.chaos.zombie", url, str(folder), str(workers), place]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=Path(__file__).parents[2], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _unfinished(database: Database, ids: list[str]) -> int:
    with database.reading() as session:
        wanted = select(func.count()).where(
            OperationRow.id.in_(ids), OperationRow.finished_at.is_(None)
        )
        return session.scalar(wanted) or 0


def _until(condition: Callable[[], bool], words: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(words)
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make zombies", description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="of each kind")
    parser.add_argument("--hosts", type=int, default=8)
    given = parser.parse_args(arguments)
    from tests.chaos import late_agents

    servers = Servers()
    found: list[str] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/zombies.sqlite"
            # On SQLite a frozen writer stops everybody: it has one controller.
            for kind, place in (("sqlite", "before"), *ON_SERVERS):
                here = url if kind == "sqlite" else servers.url(kind)
                done = 0
                while done < given.trials:
                    found += conductors(here, place, 25)
                    done += 25
                print(f"conductors, {kind}, {place} the step: {done} trials", flush=True)
    finally:
        servers.end()
    trials, late = late_agents.trials(given.trials, given.hosts)
    found += late
    print(f"agents: {trials} trials")
    print("\n".join([f"effects that came too late: {len(found)}", *found]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
