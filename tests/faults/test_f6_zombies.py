"""F6: a worker that was away longer than its lease writes nothing and moves no host.

The worker takes the lease and freezes; another one takes over and goes on; then
the first one wakes, at every later moment, runs its step and even reports a
failure.  No row may differ.  That agents refuse commands of an older
generation is looked at after every case (``check_slate``).
"""

from __future__ import annotations

import signal

from tests.faults import mishaps
from tests.faults.cases import every_step
from tests.support.operations import (
    Factory,
    carry_on,
    check,
    check_slate,
    drive,
    look,
    replaced,
)
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import fail_after
from tests.support.worker_process import Order, Workers
from webcloud.conductor.leases import Lease
from webcloud.conductor.operation import Operation


@every_step
def test_a_worker_that_wakes_too_late_writes_nothing(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    zombies: list[Lease] = []

    row = drive(cloud.database, given, moment=mishaps.freezing(cloud, step, zombies))
    assert zombies
    mishaps.wake(cloud, zombies[0])
    check(cloud, row, given, status="done")


@every_step
def test_a_host_refuses_what_is_older_than_the_deletion(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    if not operation.forward_only:
        with replaced(operation, do=lambda own: fail_after if own.name == step else None):
            drive(cloud.database, given)
    else:
        drive(cloud.database, given)
    with cloud.database.transaction() as session:
        deletion = given.delete(session)
    if look(cloud.database, deletion).kind != operation.kind or not operation.forward_only:
        carry_on(cloud.database, given, deletion)
    check_slate(cloud, given.gone)


@every_step
def test_a_process_that_is_frozen_beyond_its_lease_writes_nothing(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud, worker: Workers
) -> None:
    given = factory(cloud)
    operation_id = given.prepare()
    order = Order(
        *cloud.whereabouts(), operation_id, operation.kind, step, "between", signal.SIGSTOP
    )
    worker.start(order)

    def meanwhile() -> None:
        cloud.round()
        given.between_rounds()

    assert worker.happened(meanwhile) == {"stopped": 1}
    row = carry_on(cloud.database, given, operation_id)
    before = cloud.rows()
    worker.go_on()
    assert worker.happened(lambda: None) == {"exit": 0}
    assert cloud.rows() == before
    check(cloud, row, given, status="done")
