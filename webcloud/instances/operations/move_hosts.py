"""The two hosts of a move, and what becomes of one that falls silent.

Before the switch a target that is lost is given up: the guest is to run again
at the source soon, so what lies on the target is noted as a leftover instead
of being waited for.  A lost source is waited for, since the disk is there.
"""

from __future__ import annotations

from datetime import timedelta

from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.db import now
from webcloud.hosts.batches import Payloads, ask_in_order
from webcloud.hosts.models import Host
from webcloud.instances import leftovers
from webcloud.instances.operations.power_steps import instance_of
from webcloud.words import say

# Longer than an agent or a network takes to come back by itself.
LOST_AFTER = timedelta(seconds=60)


def source_of(run: Run) -> str:
    """The host that the instance was on when the move was accepted."""
    return str(run.params["source_host_id"])


def switched(run: Run) -> bool:
    """Whether the instance is the target's already, so that nothing is taken back."""
    return instance_of(run).host_id != source_of(run)


def is_lost(run: Run, host_id: str) -> bool:
    """Whether the host has been silent for so long that it is not waited for."""
    host = run.session.get_one(Host, host_id)
    return host.silent_since is not None and now() - host.silent_since > LOST_AFTER


def ask_target(run: Run, payloads: Payloads) -> Done | Wait:
    """Have the target do this. Raises StepFailed when it is lost."""
    target = instance_of(run).target_host_id
    if target is None:
        raise StepFailed("not_placed", "The move has no target.")
    outcome = ask_in_order(run, target, payloads)
    if isinstance(outcome, Wait) and is_lost(run, target):
        name = run.session.get_one(Host, target).name
        raise StepFailed("host_silent", say("Host {name!r} is not heard from.", name=name))
    return outcome


def take_back(run: Run, payloads: Payloads) -> Done | Wait:
    """Undo something on the target, unless it has become the instance's host."""
    instance = instance_of(run)
    target = instance.target_host_id
    if switched(run) or target is None:
        return Done()
    if leftovers.of(run.session, instance.id, target) is not None:
        return Done()
    if is_lost(run, target):
        leftovers.note(run.session, instance, target, run.operation.generation)
        return Done()
    outcome = ask_in_order(run, target, payloads)
    return Done() if isinstance(outcome, Done) else outcome
