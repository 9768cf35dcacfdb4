"""F3 to F7 while an operation is unwound: its undos are as safe as its steps.

The last step fails after its effect, so that every undo has something to take
back.  Then the worker or the agent is killed in the undo, its messages are
lost, a frozen worker wakes in it, or the user deletes: what was begun is taken
back all the same, and nothing twice.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults import mishaps
from tests.faults.cases import every_undo
from tests.support.operations import (
    Factory,
    carry_on,
    check,
    check_slate,
    drive,
    replaced,
)
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import fail_after
from tests.support.worker_process import MOMENTS, Order, Workers
from webcloud.conductor import events, taking
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation


@contextmanager
def failing_at_its_end(operation: type[Operation]) -> Iterator[None]:
    last = operation.steps[-1].name
    with replaced(operation, do=lambda own: fail_after if own.name == last else None):
        yield


@pytest.mark.parametrize("moment", MOMENTS)
@every_undo
def test_a_worker_that_is_killed_in_an_undo_is_taken_over_from(
    operation: type[Operation],
    factory: Factory,
    step: str,
    cloud: SmallCloud,
    worker: Workers,
    *,
    moment: str,
) -> None:
    given = factory(cloud)
    operation_id = given.prepare()
    worker.start(Order(*cloud.whereabouts(), operation_id, operation.kind, f"undo:{step}", moment))

    def meanwhile() -> None:
        cloud.round()
        given.between_rounds()

    end = worker.happened(meanwhile)
    if end == {"exit": 0}:
        assert moment == "asked", "only an undo that waits for nothing is never asked"
        return
    assert end == {"killed": signal.SIGKILL}
    assert taking.claim(cloud.database, "too early", operation_id=operation_id) is None
    row = carry_on(cloud.database, given, operation_id)
    check(cloud, row, given, status="failed")


@every_undo
def test_an_agent_that_is_killed_at_each_effect_of_an_undo_goes_on_from_its_journal(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    killed = mishaps.agents_die_at_each_effect(cloud, f"undo:{step}")
    with failing_at_its_end(operation):
        row = drive(cloud.database, given)
    begun = {command.step for host in cloud.hosts for command in host.begun}
    assert bool(killed) == any(each.startswith(f"undo:{step}") for each in begun)
    check(cloud, row, given, status="failed")


@every_undo
def test_lost_and_repeated_messages_change_nothing_in_an_undo(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    messages = mishaps.Messages(cloud, f"undo:{step}")
    with failing_at_its_end(operation):
        row = drive(cloud.database, given, moment=messages.follow)
    effects = Counter(command.id for host in cloud.hosts for command in host.begun)
    assert set(effects.values()) <= {1}, "the journal did not answer a repeat"
    asked = any(each.step.startswith(f"undo:{step}") for host in cloud.hosts for each in host.begun)
    assert messages.used > 0 or not asked, "no message was hurt"
    check(cloud, row, given, status="failed")


@every_undo
def test_a_worker_that_wakes_too_late_in_an_undo_writes_nothing(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    zombies: list[Lease] = []

    with failing_at_its_end(operation):
        row = drive(cloud.database, given, moment=mishaps.freezing(cloud, f"undo:{step}", zombies))
        assert zombies
        mishaps.wake(cloud, zombies[0])
    check(cloud, row, given, status="failed")


@every_undo
def test_deleting_wins_in_an_undo(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    deletions: list[str] = []

    def delete(row: OperationRow, lease: Lease | None) -> None:
        if lease is not None and not deletions and events.step_of(row) == f"undo:{step}":
            with cloud.database.transaction() as session:
                deletions.append(given.delete(session))

    with failing_at_its_end(operation):
        row = drive(cloud.database, given, moment=delete)
    assert row.status == "failed", "it had failed before anybody deleted"
    assert carry_on(cloud.database, given, deletions[0]).status == "done"
    check_slate(cloud, given.gone)
