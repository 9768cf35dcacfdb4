"""Moves of instances between hosts: where each would go, and beginning one.

An operator's verb; ``plan`` answers for all instances of a host what a drain
would do, changing nothing.  Moves are offline: a running instance is shut
down, copied and started again, with the same addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from agents.wire.commands import knows
from webcloud.conductor import queries as operations
from webcloud.errors import Conflict, Forbidden, NoCapacity
from webcloud.hosts import presence
from webcloud.hosts import queries as hosts
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.images.models import Image
from webcloud.instances import beginning, queries, states, targets
from webcloud.instances.models import Instance
from webcloud.instances.operations.move import MoveInstance
from webcloud.instances.operations.power_steps import GRACE_SECONDS
from webcloud.instances.targets import Supposed
from webcloud.scheduler.placement import Decision
from webcloud.words import mark, say, word

GIB = 1024**3
# The disk goes over the network twice; a slow one carries about 10 MB a second.
SECONDS_PER_GB = 240

RESTARTED = mark("is shut down, copied and started again")
STAYS_OFF = mark("is copied and stays stopped")


@dataclass(frozen=True)
class PlannedMove:
    """What would happen to one instance.

    ``target`` is the host it would go to, None when it cannot be moved now;
    ``why`` then says why not.  ``what`` is a message id.  ``bytes_to_copy`` is
    the most that can be; what the disk really takes is known by its host only.
    """

    instance: Instance
    target: Host | None
    decision: Decision
    why: str
    what: str
    bytes_to_copy: int


def plan(session: Session, host: Host) -> list[PlannedMove]:
    """For each instance on the host, by name, where it would go if all were moved now.

    Each is looked at as those before it would have left the hosts and their server groups.
    """
    supposed = Supposed()
    moves = []
    for instance in sorted(queries.on_host(session, host.id), key=lambda each: each.name):
        move = planned(session, instance, supposed)
        if move.target is not None:
            supposed.add(instance, move.target.id)
        moves.append(move)
    return moves


def planned(session: Session, instance: Instance, supposed: Supposed | None = None) -> PlannedMove:
    """What would happen to this one instance, once others are where they are ``supposed``."""
    decision = targets.decide(session, instance, supposed=supposed)
    why: str = _refusal(session, instance)
    if not why and not decision.ranking:
        why = targets.why_none(decision)
    return PlannedMove(
        instance=instance,
        target=None if why else hosts.get(session, decision.ranking[0]),
        decision=decision,
        why=why,
        what=RESTARTED if instance.observed_power == "running" else STAYS_OFF,
        bytes_to_copy=instance.disk_gb * GIB,
    )


def begin(
    session: Session, caller: Caller, instance: Instance, target_host_id: str | None = None
) -> str:
    """Accept the move; returns the operation's id.

    Raises Forbidden, Conflict when it cannot be moved now, NoCapacity when no
    host (or not the named one) can take it.
    """
    if not caller.is_admin:
        raise Forbidden("Only operators may move instances between hosts.")
    if target_host_id is not None:
        hosts.get(session, target_host_id)
    # Another move may have ended since it was read; from here on it stays as it is.
    session.refresh(instance, with_for_update=True)
    refusal = _refusal(session, instance)
    if refusal:
        raise Conflict(
            say("Cannot move instance {name!r}: {reason}", name=instance.name, reason=word(refusal))
        )
    decision = targets.decide(session, instance, host_id=target_host_id or "")
    if not decision.ranking:
        raise NoCapacity(
            targets.why_none(decision),
            next_step="Make room on another host, or wait until one is ready.",
        )
    return beginning.begin(
        session,
        caller,
        instance,
        MoveInstance,
        {
            "source_host_id": instance.host_id,
            "target_host_id": target_host_id,
            "grace_seconds": GRACE_SECONDS,
            "boot": instance.boot,
        },
        extra_seconds=instance.disk_gb * SECONDS_PER_GB,
        **{"from": instance.host_id, "to": target_host_id},
    )


def _refusal(session: Session, instance: Instance) -> str:
    """Why the instance cannot be moved now, as a message id; "" when it can."""
    operation = operations.active_operation(session, "instance", instance.id)
    refusal = states.describe(instance, operation).allowed["move"]
    if refusal:
        return refusal
    source = session.get(Host, instance.host_id or "")
    if source is None or not presence.is_alive(source):
        return mark("Its host is not heard from.")
    if not knows(source.wire_version, "send_disk"):
        return mark("Its host's agent is of an older version and cannot do this.")
    image = session.get(Image, instance.image_id)
    if image is None or image.status != "active":
        return mark("Its image was deleted, so no other host can get it.")
    return ""
