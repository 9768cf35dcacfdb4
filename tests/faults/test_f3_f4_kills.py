"""F3 and F4: the worker or the agent is killed before its effect, or after it, unheard.

Workers are processes with a conductor that kill themselves at the marker; the
lease keeps others away until it ends, then another worker goes on.  Agents are
cut at their journal, before and after each effect and at every touch of a file
in between, and start again from their folder.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any

import pytest

from agents.dispatch import Handler, Task
from tests.faults import mishaps
from tests.faults.cases import every_step
from tests.support.file_faults import file_faults
from tests.support.operations import Factory, carry_on, check, drive
from tests.support.small_cloud import SmallCloud
from tests.support.stepped_host import SteppedHost
from tests.support.worker_process import MOMENTS, Order, Workers
from webcloud.conductor import taking
from webcloud.conductor.operation import Operation


@pytest.mark.parametrize("moment", MOMENTS)
@every_step
def test_a_worker_that_is_killed_is_taken_over_from(
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
    worker.start(Order(*cloud.whereabouts(), operation_id, operation.kind, step, moment))

    def meanwhile() -> None:
        cloud.round()
        given.between_rounds()

    end = worker.happened(meanwhile)
    if end == {"exit": 0}:
        assert moment == "asked", "only a step that waits for nothing is never asked"
        return
    assert end == {"killed": signal.SIGKILL}
    assert taking.claim(cloud.database, "too early", operation_id=operation_id) is None
    row = carry_on(cloud.database, given, operation_id)
    check(cloud, row, given, status="done")


@every_step
def test_an_agent_that_is_killed_at_each_effect_goes_on_from_its_journal(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    mishaps.agents_die_at_each_effect(cloud, step)
    row = drive(cloud.database, given)
    check(cloud, row, given, status="done")


@every_step
def test_an_agent_that_is_killed_at_every_touch_of_a_file_leaves_no_half_of_one(
    operation: type[Operation], factory: Factory, step: str, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    with contextlib.ExitStack() as faults:
        for number, host in enumerate(cloud.hosts):
            dying = DyingAtEveryTouch(host, step)
            host.around = dying.watch
            folder = cloud.folder / f"host-{number}"
            faults.enter_context(file_faults(folder, dying.strike))
        row = drive(cloud.database, given)
    check(cloud, row, given, status="done")


class DyingAtEveryTouch:
    """One host, killed at the first touch of a file, in its next life at the second, ..."""

    def __init__(self, host: SteppedHost, step: str) -> None:
        self._host, self._step = host, step
        self._lives = self._touches = self._thread = 0

    def watch(self, handler: Handler, order: Any, task: Task) -> dict[str, Any]:
        if not task.command.step.startswith(self._step):
            return handler(order, task)
        self._thread, self._touches = threading.get_ident(), 0
        self._lives += 1
        result = handler(order, task)
        self._thread = 0
        return result

    def strike(self, _number: int) -> None:
        if threading.get_ident() != self._thread:
            return
        self._touches += 1
        # The dead touch nothing any more, whatever they would tidy up.
        if self._host.dead.is_set() or self._touches == self._lives:
            self._host.die()
