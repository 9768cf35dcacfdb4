"""Every registered operation, moved through its steps by a test.

A domain gives one scenario per operation kind in ``tests/<domain>/scenarios.py``
(found by its name), and nothing else: the faults of ``tests/faults`` are
generated from the operation's table of steps, so a new step is tested without
writing a test, and a registered operation without a scenario fails collection.

    @scenario("instance.create")
    def creating(cloud: SmallCloud) -> Scenario:
        cloud.add_host()                                # hosts and rows it needs
        def prepare() -> str:                           # by the domain's service
            with cloud.database.transaction() as session:
                return service.create(session, ...).operation_id
        return Scenario(
            prepare,
            settled=lambda session: ...,                # assert: it worked
            clean_slate=lambda session: ...,            # assert: nothing is left
            between_rounds=cloud.round,                 # what a waiting step waits for
            delete=lambda session: service.delete(...), # the user deletes the subject
            gone=lambda session: ...,                   # assert: it is deleted
        )

``prepare`` accepts the operation and returns its id.  ``clean_slate`` is
called after the operation has failed or was cancelled; for one that is never
undone it asserts what must hold then.  ``delete`` returns the id of the
operation that deletes.  Hosts are real agents, so a scenario asserts what only
it knows; that rows, files and domains agree is ``verify``'s to say.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from tests.support.small_cloud import SmallCloud
from webcloud.conductor import queries, registry, steps, taking
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.db import Database, now

ROUNDS = 200

Function = Callable[[Run], Done | Wait]
Change = Callable[[Function], Function]
# Called with the operation whenever it stands somewhere: with the lease before a
# step is run, and with None when it naps or has ended.
Moment = Callable[[OperationRow, Lease | None], None]


def never(_session: Session) -> str:
    """In place of deleting, where a test does not delete."""
    raise NotImplementedError


@dataclass(frozen=True)
class Scenario:
    """How to bring about one operation, and what must be true afterwards."""

    prepare: Callable[[], str]
    settled: Callable[[Session], None]
    clean_slate: Callable[[Session], None]
    between_rounds: Callable[[], None] = lambda: None
    delete: Callable[[Session], str] = never
    gone: Callable[[Session], None] = never


Factory = Callable[[SmallCloud], Scenario]
_factories: dict[str, Factory] = {}


def scenario(kind: str) -> Callable[[Factory], Factory]:
    """Make the function the scenario of this kind of operation."""

    def keep(factory: Factory) -> Factory:
        _factories[kind] = factory
        return factory

    return keep


def registered() -> list[tuple[type[Operation], Factory]]:
    """Each of the product's operations with its scenario; AssertionError if one has none."""
    from webcloud.application import build
    from webcloud.config import Config

    with tempfile.TemporaryDirectory() as directory:
        build(Config(state_dir=Path(directory), database_url="sqlite://"))
    tests = Path(__file__).parents[1]
    for found in sorted(tests.glob("*/scenarios.py")):
        importlib.import_module(f"tests.{found.parent.name}.scenarios")
    operations = registry.all_operations()
    missing = [operation.kind for operation in operations if operation.kind not in _factories]
    assert not missing, f"no scenario in tests/*/scenarios.py for: {', '.join(missing)}"
    return [(operation, _factories[operation.kind]) for operation in operations]


def nothing(_row: OperationRow, _lease: Lease | None) -> None:
    """The moment that changes nothing."""


def drive(
    database: Database, given: Scenario, *, retries: int = 0, moment: Moment = nothing
) -> OperationRow:
    """Bring the scenario's operation about and carry it to its end."""
    return carry_on(database, given, given.prepare(), retries=retries, moment=moment)


def carry_on(
    database: Database,
    given: Scenario,
    operation_id: str,
    *,
    retries: int = 0,
    moment: Moment = nothing,
) -> OperationRow:
    """Run the operation to its end in this thread; no unasked error may occur.

    A lease that somebody still holds is waited out: its end is set to the past.
    """
    for _ in range(ROUNDS):
        turn(database, operation_id, moment)
        row = look(database, operation_id)
        troubles = [
            f"{event.event} at {event.step}: {event.detail}"
            for event in log(database, operation_id)
            if event.event in ("retry", "alarm")
        ]
        assert len(troubles) <= retries, troubles
        if row.finished_at is not None:
            return row
        given.between_rounds()
    raise AssertionError(f"it did not end: step {row.step}, {row.status}, waits: {row.why}")


def turn(database: Database, operation_id: str, moment: Moment = nothing) -> None:
    """One worker's turn at the operation, due or not: until it naps or ends."""
    lease = taking.claim(database, "test", operation_id=operation_id)
    if lease is None:
        expire(database, operation_id)
        lease = taking.claim(database, "test", operation_id=operation_id)
    assert lease is not None, "the operation has ended, or its lease does not end"
    moment(look(database, operation_id), lease)
    while steps.execute(database, lease):
        moment(look(database, operation_id), lease)
    moment(look(database, operation_id), None)


def expire(database: Database, operation_id: str) -> None:
    """Let the time of the operation's lease be over."""
    with database.transaction() as session:
        session.execute(
            update(OperationRow)
            .where(OperationRow.id == operation_id, OperationRow.lease_until.is_not(None))
            .values(lease_until=now() - timedelta(seconds=1))
        )


def take_over(database: Database, lease: Lease) -> None:
    """The lease is over and another worker has the operation; ``lease`` becomes that one's."""
    expire(database, lease.operation_id)
    heir = taking.claim(database, "heir", operation_id=lease.operation_id)
    assert heir is not None
    vars(lease).update(vars(heir))


def look(database: Database, operation_id: str) -> OperationRow:
    with database.reading() as session:
        return session.get_one(OperationRow, operation_id)


def log(database: Database, operation_id: str) -> list[OperationEvent]:
    with database.reading() as session:
        return list(queries.events_of(session, operation_id))


def check(cloud: SmallCloud, row: OperationRow, given: Scenario, *, status: str) -> None:
    """It ended so, what the scenario says holds then, and ``verify`` finds nothing."""
    why = f"{row.error_code}: {row.error_message}" if row.error_code else ""
    assert row.status == status, f"ended as {row.status} at step {row.step!r}. {why}"
    check_slate(cloud, given.settled if status == "done" else given.clean_slate)


def check_slate(cloud: SmallCloud, slate: Callable[[Session], None]) -> None:
    """The slate, ``verify``, and a host that refuses whatever older worker comes late."""
    with cloud.database.reading() as session:
        slate(session)
    cloud.verify()
    repeated = [report for host in cloud.hosts for report in host.repeat_old_commands()]
    for report in repeated:
        if report is not None:
            assert (report.status, report.error_code) == ("failed", "stale_generation"), report
    if repeated:
        cloud.verify()


@contextmanager
def replaced(
    operation: type[Operation],
    *,
    do: Callable[[Step], Change | None] = lambda step: None,
    undo: Callable[[Step], Change | None] = lambda step: None,
) -> Iterator[None]:
    """For a while the registry has the operation with changed steps under its kind."""
    table = []
    for step in operation.steps:
        change, undo_change = do(step), undo(step)
        new = replace(step, do=change(step.do)) if change else step
        if undo_change is not None and step.undo is not None:
            new = replace(new, undo=undo_change(step.undo))
        table.append(new)
    variant = type(operation.__name__, (operation,), {"steps": tuple(table)})
    known = registry._operations
    before = known.get(operation.kind)
    known[operation.kind] = variant
    try:
        yield
    finally:
        if before is None:
            del known[operation.kind]
        else:
            known[operation.kind] = before
