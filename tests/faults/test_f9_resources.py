"""F9: disks, descriptors and databases that fail at any step: no half state is left.

On the host any touch of a file fails, once or for as long as the step lasts;
or its journal cannot be written.  On the controller the database is locked by
somebody else, or goes away before or after the commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.faults.cases import every_step, every_turning_step
from tests.support.file_faults import error, file_faults
from tests.support.operations import Factory, Scenario, check, drive, replaced, take_over
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import commit_lost
from webcloud import db
from webcloud.conductor import steps
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation
from webcloud.hosts import commands

# Where each error strikes: at four touches one after the other, so that three
# errors together reach every touch of the longest step.
TOUCHES = {"ENOSPC": (1, 2, 3, 4), "EMFILE": (5, 6, 7, 8), "EIO": (9, 10, 11, 12)}


class Standing:
    """Where the operation stands, for faults that belong to one step of it."""

    def __init__(self) -> None:
        self.row: OperationRow | None = None

    def __call__(self, row: OperationRow, _lease: Lease | None) -> None:
        self.row = row

    def at(self, step: str) -> bool:
        row = self.row
        return (
            row is not None
            and row.finished_at is None
            and (row.direction, row.step) == ("forward", step)
        )


def drive_touching(
    cloud: SmallCloud, given: Scenario, step: str, strike: Callable[[], None]
) -> OperationRow:
    """Carry it out, with ``strike`` called at each touch of a host's files during the step."""
    standing = Standing()

    def touched(_number: int) -> None:
        if standing.at(step):
            strike()

    with file_faults(cloud.folder / "host-", touched):
        return drive(cloud.database, given, moment=standing)


@pytest.mark.parametrize("name", TOUCHES)
@every_step
def test_a_file_that_fails_at_times_delays_the_step(
    operation: type[Operation], factory: Factory, step: str, name: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    left = list(TOUCHES[name])

    def strike() -> None:
        if left:
            left[0] -= 1
            if left[0] == 0:
                left.pop(0)
                raise error(name)

    row = drive_touching(cloud, given, step, strike)
    check(cloud, row, given, status="done")


@pytest.mark.parametrize("name", ["ENOSPC", "EIO"])
@every_turning_step
def test_files_that_never_work_end_the_step_cleanly(
    operation: type[Operation], factory: Factory, step: str, name: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    struck: list[str] = []

    def strike() -> None:
        struck.append(step)
        raise error(name)

    row = drive_touching(cloud, given, step, strike)
    failed = bool(struck) and row.status == "failed"
    assert not failed or row.error_code in ("no_space", "io")
    check(cloud, row, given, status="failed" if failed else "done")


@every_step
def test_a_journal_that_cannot_be_written_delays_the_step(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    standing = Standing()
    calls = [0]

    def fail_every_other_call(_name: str) -> None:
        if standing.at(step):
            calls[0] += 1
            # Fewer than the times that a host is asked again before the step has failed.
            if calls[0] % 2 and calls[0] < 2 * (commands.MOST_ATTEMPTS - 1):
                raise sqlite3.OperationalError("database or disk is full")

    for host in cloud.hosts:
        host.journal_fault = fail_every_other_call
    row = drive(cloud.database, given, moment=standing)
    check(cloud, row, given, status="done")


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
@every_step
def test_a_database_that_goes_away_at_the_commit_loses_nothing(
    operation: type[Operation], factory: Factory, step: str, when: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    lost = commit_lost(when)
    with replaced(operation, do=lambda own: lost if own.name == step else None):
        row = drive(cloud.database, given, retries=2)
    check(cloud, row, given, status="done")


@pytest.mark.sqlite("only SQLite has one lock for everything")
@every_step
def test_a_locked_database_delays_the_step(
    operation: type[Operation],
    factory: Factory,
    step: str,
    cloud: SmallCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = factory(cloud)
    held: list[str] = []

    def lock(row: OperationRow, lease: Lease | None) -> None:
        if lease is not None and row.step == step and not held:
            held.append(row.id)
            with locked(cloud, monkeypatch):
                assert steps.execute(cloud.database, lease) is False
            take_over(cloud.database, lease)

    row = drive(cloud.database, given, moment=lock)
    assert held
    check(cloud, row, given, status="done")


@contextmanager
def locked(cloud: SmallCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else writes to the database for longer than anybody waits for it."""
    other = sqlite3.connect(str(cloud.database.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with monkeypatch.context() as patch:
        patch.setattr(db, "LOCK_SECONDS", 0)
        cloud.database.engine.dispose()
        yield
    other.close()
    cloud.database.engine.dispose()
