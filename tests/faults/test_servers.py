"""Each operation of the product on the database servers, with every step repeated or undone.

SQLite forgives what servers refuse: numbers too large for a column, rows in
no order, locks taken in two orders.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cases import every_operation, repeat_every_step
from tests.instances.scenarios import creating
from tests.support.databases import Servers, with_every_table
from tests.support.operations import Factory, carry_on, check, drive, replaced
from tests.support.session_libvirtd import Hypervisors
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import fail_after, failing_at_first
from tests.support.worker_process import MOMENTS, Order, Workers
from webcloud.conductor.operation import Operation
from webcloud.instances.operations.create import CreateInstance

SERVERS = pytest.mark.parametrize("cloud", ["postgresql", "mariadb"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("cloud", ["postgresql"], indirect=True)
CREATING = pytest.mark.parametrize("step", [step.name for step in CreateInstance.steps])


@pytest.fixture
def cloud(
    request: pytest.FixtureRequest,
    servers: Servers,
    memory_path: Path,
    hypervisors: Hypervisors,
) -> Iterator[SmallCloud]:
    url = servers.url(request.param)
    with with_every_table(url):
        made = SmallCloud(memory_path / "cloud", url, hypervisors)
        yield made
        made.close()


@SERVERS
@every_operation
def test_every_operation_ends_well_with_repeated_steps(
    operation: type[Operation], factory: Factory, cloud: SmallCloud
) -> None:
    repeat_every_step(operation, factory, cloud)


@SERVERS
@every_operation
def test_every_operation_is_undone_from_its_last_step_or_goes_on(
    operation: type[Operation], factory: Factory, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    only_forward = operation.forward_only
    fault = failing_at_first(1, after_effect=True) if only_forward else fail_after
    last = operation.steps[-1].name
    with replaced(operation, do=lambda step: fault if step.name == last else None):
        row = drive(cloud.database, given, retries=int(only_forward))
    check(cloud, row, given, status="done" if only_forward else "failed")


@POSTGRESQL
@pytest.mark.parametrize("moment", MOMENTS)
@CREATING
def test_a_worker_that_is_killed_is_taken_over_from(
    step: str, moment: str, cloud: SmallCloud, worker: Workers
) -> None:
    given = creating(cloud)
    operation_id = given.prepare()
    worker.start(Order(*cloud.whereabouts(), operation_id, CreateInstance.kind, step, moment))
    end = worker.happened(cloud.round)
    if end == {"exit": 0}:
        assert (step, moment) == ("place", "asked"), "only placing asks no host"
        return
    assert end == {"killed": signal.SIGKILL}
    check(cloud, carry_on(cloud.database, given, operation_id), given, status="done")


@POSTGRESQL
@pytest.mark.parametrize("moment", ["before", "done"])
@CREATING
def test_a_worker_frozen_within_its_transaction_writes_nothing_of_it(
    step: str, moment: str, cloud: SmallCloud, worker: Workers
) -> None:
    given = creating(cloud)
    operation_id = given.prepare()
    frozen = Order(
        *cloud.whereabouts(), operation_id, CreateInstance.kind, step, moment, signal.SIGSTOP
    )
    worker.start(frozen)
    assert worker.happened(cloud.round) == {"stopped": 1}
    # It may hold rows that whoever takes over needs, so it wakes while that one waits.
    waking = threading.Timer(0.5, worker.go_on)
    waking.start()
    row = carry_on(cloud.database, given, operation_id)
    waking.join()
    assert worker.happened(cloud.round) == {"exit": 0}
    check(cloud, row, given, status="done")
