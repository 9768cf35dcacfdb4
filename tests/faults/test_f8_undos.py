"""F8: an undo that fails is tried again until it works, with an alarm past the deadline."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.faults.cases import every_undo
from tests.support.operations import Factory, check, drive, log, replaced
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import fail_after, raising
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation
from webcloud.db import now

TIMES = 3


@pytest.mark.parametrize("late", [False, True], ids=["in_time", "past_the_deadline"])
@every_undo
def test_an_undo_that_fails_is_repeated_until_it_works(
    operation: type[Operation], factory: Factory, step: str, late: bool, cloud: SmallCloud
) -> None:
    given = factory(cloud)

    def be_late(row: OperationRow, _lease: Lease | None) -> None:
        if late and row.direction == "unwind" and row.deadline_at > now():
            with cloud.database.transaction() as session:
                past = now() - timedelta(seconds=1)
                session.execute(
                    update(OperationRow).where(OperationRow.id == row.id).values(deadline_at=past)
                )

    last = operation.steps[-1].name
    with replaced(
        operation,
        do=lambda own: fail_after if own.name == last else None,
        undo=lambda own: raising(TIMES) if own.name == step else None,
    ):
        row = drive(cloud.database, given, retries=TIMES + late, moment=be_late)
    events = log(cloud.database, row.id)
    retried = [json.loads(event.detail) for event in events if event.event == "retry"]
    assert [event.step for event in events if event.event == "retry"] == [f"undo:{step}"] * TIMES
    assert all(0 < detail["again_in"] <= 2.0 ** detail["attempt"] for detail in retried)
    assert sum(event.event == "alarm" for event in events) == late
    check(cloud, row, given, status="failed")
