"""F1 and F2: a step that fails, before its effect on hosts or after it.

Besides a failure for good there are the step that is repeated, the undo that
is repeated, and the user who cancels.
"""

from __future__ import annotations

import pytest

from tests.faults.cases import (
    EFFECTS,
    every_forward_step,
    every_operation,
    every_turning_step,
    repeat_every_step,
)
from tests.support.operations import Factory, check, drive, log, replaced
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import (
    HELD,
    INJECTED,
    fail_after,
    fail_before,
    failing_at_first,
    hold,
    twice,
)
from webcloud.conductor import starting
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation

TIMES = 3
UNDOS = pytest.mark.parametrize(
    ("after_effect", "undo_twice"),
    [(False, False), (True, True)],
    ids=["before", "after_and_undone_twice"],
)


@every_operation
def test_every_step_may_be_repeated(
    operation: type[Operation], factory: Factory, cloud: SmallCloud
) -> None:
    repeat_every_step(operation, factory, cloud)


@UNDOS
@every_turning_step
def test_a_failure_at_any_step_leaves_a_clean_slate(
    operation: type[Operation],
    factory: Factory,
    step: str,
    cloud: SmallCloud,
    *,
    after_effect: bool,
    undo_twice: bool,
) -> None:
    given = factory(cloud)
    failing = fail_after if after_effect else fail_before
    with replaced(
        operation,
        do=lambda own: failing if own.name == step else None,
        undo=lambda own: twice if undo_twice else None,
    ):
        row = drive(cloud.database, given)
    assert row.error_code == INJECTED, f"failed for another reason: {row.error_code}"
    events = log(cloud.database, row.id)
    assert [event.step for event in events if event.event == "failed"] == [step]
    check(cloud, row, given, status="failed")


@EFFECTS
@every_forward_step
def test_what_only_goes_forward_goes_on_until_it_is_done(
    operation: type[Operation], factory: Factory, step: str, after_effect: bool, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    failing = failing_at_first(TIMES, after_effect=after_effect)
    with replaced(operation, do=lambda own: failing if own.name == step else None):
        row = drive(cloud.database, given, retries=TIMES)
    check(cloud, row, given, status="done")


@every_turning_step
def test_cancelling_at_any_step_leaves_a_clean_slate(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)

    def cancel_when_held(row: OperationRow, _lease: Lease | None) -> None:
        if row.why == HELD and not row.cancel_requested:
            with cloud.database.transaction() as session:
                starting.cancel(session, row.id)

    with replaced(operation, do=lambda own: hold() if own.name == step else None):
        row = drive(cloud.database, given, moment=cancel_when_held)
    check(cloud, row, given, status="cancelled")
