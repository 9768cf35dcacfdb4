"""How the rest of an instance is removed from a host that is not its own.

Its commands are fenced as those of the move that left it: should a newer one
about the instance have reached that host, they are refused there.
"""

from __future__ import annotations

from typing import Any

from agents.wire.commands import EnsureDiskAbsent, EnsureDomainAbsent, EnsurePortAbsent
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.hosts.batches import ask_in_order
from webcloud.instances.models import Leftover
from webcloud.words import mark

FORWARD_ONLY = "What is to go is never brought back."


def remove(run: Run, leftover: Leftover) -> Done | Wait:
    """Have nothing of it on the host, and forget that there was."""
    outcome = ask_in_order(run, leftover.host_id, lambda: _absent(leftover))
    if isinstance(outcome, Wait):
        return outcome
    run.session.delete(leftover)
    return Done()


def _absent(leftover: Leftover) -> dict[str, Any]:
    """The domain goes first; files and leases are of use to nobody after it."""
    wanted: dict[str, Any] = {"domain": EnsureDomainAbsent(leftover.instance_id)}
    for port in leftover.ports:
        wanted[f"port-{port['port_id']}"] = EnsurePortAbsent(**port)
    return {**wanted, "disk": EnsureDiskAbsent(leftover.instance_id)}


def clear(run: Run) -> Done | Wait:
    leftover = run.session.get(Leftover, run.subject_id)
    return Done() if leftover is None else remove(run, leftover)


class ClearLeftover(Operation):
    """Remove what a move left on a host."""

    kind = "leftover.clear"
    subject_type = "leftover"
    words = mark("Remove what a move left behind")
    deadline_seconds = 300
    forward_only = True
    steps = (Step("clear", mark("Removing it from the host"), clear, no_undo=FORWARD_ONLY),)
