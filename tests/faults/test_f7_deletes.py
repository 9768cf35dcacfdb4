"""F7: the user deletes at any moment of any operation, and deleting wins."""

from __future__ import annotations

import pytest

from tests.faults.cases import every_step
from tests.support.operations import Factory, carry_on, check, check_slate, drive, replaced
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import HELD, hold
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation
from webcloud.db import Database

MOMENTS = ("before", "asked", "after")


@pytest.mark.parametrize("when", MOMENTS)
@every_step
def test_deleting_wins_at_any_step(
    operation: type[Operation], factory: Factory, step: str, when: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    deletions: list[str] = []

    def now_is(row: OperationRow, lease: Lease | None) -> bool:
        if row.step != step or row.direction != "forward" or row.finished_at is not None:
            return False
        if when == "after":
            return row.why == HELD
        if when == "asked":
            return lease is None and row.why not in ("", HELD)
        return lease is not None and row.why == ""

    def delete(row: OperationRow, lease: Lease | None) -> None:
        if not deletions and now_is(row, lease):
            with cloud.database.transaction() as session:
                deletions.append(given.delete(session))

    held = hold(lambda: deletions)
    with replaced(operation, do=lambda own: held if own.name == step and when == "after" else None):
        row = drive(cloud.database, given, moment=delete)
    if not deletions:
        # This step waits for nothing, so there is no such moment.
        check(cloud, row, given, status="done")
        return
    assert row.status in ends_of(operation, step, when, cloud.database)
    if row.id != deletions[0]:
        assert carry_on(cloud.database, given, deletions[0]).status == "done"
    check_slate(cloud, given.gone)


def ends_of(operation: type[Operation], step: str, when: str, database: Database) -> set[str]:
    """A server's worker sees between two steps what came there only after the second one."""
    if operation.forward_only:
        return {"done"}
    unseen = when == "before" and step == operation.steps[-1].name and not database.is_sqlite
    return {"cancelled", "done"} if unseen else {"cancelled"}
