"""What befalls agents, messages and workers at one step, or undo, of an operation.

A step is named as in the log: its own name, or ``undo:`` and it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.controller_api import Unreachable
from agents.dispatch import Handler, Task
from tests.support.operations import Moment, take_over
from tests.support.small_cloud import SmallCloud
from tests.support.stepped_host import Answer, SteppedHost, Wire
from webcloud.conductor import events, failures, steps, taking
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow

Send = Callable[[], Answer]
Change = Callable[[Send], Answer]
COMMANDS, REPORTS = "/agents/v1/commands", "/agents/v1/reports"


def agents_die_at_each_effect(cloud: SmallCloud, step: str) -> set[tuple[str, str]]:
    """Before and after each effect of the step; what fills up says where they died."""
    killed: set[tuple[str, str]] = set()
    for host in cloud.hosts:

        def die_twice(handler: Handler, order: Any, task: Task, host: Any = host) -> dict[str, Any]:
            if task.command.step.startswith(step) and task.command.generation:
                for moment in ("before", "after"):
                    if (task.command.id, moment) not in killed:
                        killed.add((task.command.id, moment))
                        if moment == "after":
                            handler(order, task)
                        host.die()
            return handler(order, task)

        host.around = die_twice
    return killed


def lose_answer(send: Send) -> Answer:
    send()
    raise Unreachable("the answer was lost")


def lose_request(_send: Send) -> Answer:
    raise Unreachable("the request was lost")


def send_twice(send: Send) -> Answer:
    send()
    return send()


EVERY = [
    (REPORTS, lose_request),
    (REPORTS, lose_answer),
    (REPORTS, send_twice),
    (COMMANDS, lose_request),
    (COMMANDS, lose_answer),
]


class Messages:
    """Each kind of fault once for each host, as long as the operation stands at the step.

    ``follow`` is the moment that tells where it stands; ``used`` counts the faults.
    """

    def __init__(self, cloud: SmallCloud, step: str, *, killed: bool = False) -> None:
        self._step, self._killed, self._standing = step, killed, ""
        self.used = 0
        for host in cloud.hosts:
            host.wire = self._faulty(host)

    def follow(self, row: OperationRow, _lease: Lease | None) -> None:
        self._standing = events.step_of(row) if row.finished_at is None else ""

    def _faulty(self, host: SteppedHost) -> Wire:
        left: dict[str, list[Change]] = {}
        for path, change in EVERY:
            left.setdefault(path, []).append(change)

        def wire(_method: str, path: str, send: Send) -> Answer:
            faults = left.get(path, [])
            if self._standing != self._step or not faults:
                return send()
            if self._killed:
                host.kill()
            self.used += 1
            return faults.pop(0)(send)

        return wire


def freezing(cloud: SmallCloud, step: str, zombies: list[Lease]) -> Moment:
    """A worker freezes at the step, another goes on, and the first wakes at each later moment."""

    def freeze_and_wake(row: OperationRow, lease: Lease | None) -> None:
        if lease is None:
            for zombie in zombies:
                wake(cloud, zombie)
        elif events.step_of(row) == step and not zombies:
            # This turn's worker freezes here; the one that goes on has its own lease.
            zombies.append(Lease(**vars(lease)))
            take_over(cloud.database, lease)
            wake(cloud, zombies[0])

    return freeze_and_wake


def wake(cloud: SmallCloud, zombie: Lease) -> None:
    """Everything a worker may do with a lease; nothing may come of it."""
    before = cloud.rows()
    assert steps.execute(cloud.database, zombie) is False
    assert failures.handle(cloud.database, zombie, RuntimeError("late")) is False
    taking.hand_back(cloud.database, zombie)
    assert cloud.rows() == before
