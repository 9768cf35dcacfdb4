"""Draining a host: it takes nothing new, and what is on it is moved elsewhere.

``begin`` and ``cancel`` only write the wish; a timer (``step``) starts the
moves, a few at a time, and notes when nothing is left.  A move that failed is
tried again after a pause.  Cancelling lets moves under way end, and the host
stays closed until it is opened.  What a drain would do is told by
``moving.plan``, which changes nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor import queries as operations
from webcloud.db import Database, now
from webcloud.errors import Conflict, WebcloudError
from webcloud.hosts import events, service
from webcloud.hosts.models import Host
from webcloud.identity.callers import SYSTEM, Caller
from webcloud.instances import moving, queries
from webcloud.instances.models import Instance
from webcloud.instances.operations.move import MoveInstance
from webcloud.live import publish
from webcloud.words import mark, say

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
# Moves of one host at a time: each reads a whole disk and sends it over the network.
AT_ONCE = 2
TRY_AGAIN_AFTER = timedelta(minutes=2)
REASON = mark("It is being drained.")


def begin(session: Session, caller: Caller, host: Host) -> None:
    """Close the host and have its instances moved. Raises Conflict when that cannot begin."""
    if host.given_up:
        raise Conflict(
            say("Host {name!r} was given up.", name=host.name),
            next_step=mark("Delete the instances that lay there."),
        )
    if host.draining_since is not None:
        return
    host.enabled = False
    host.disabled_reason = host.disabled_reason or REASON
    host.draining_since, host.emptied_at = now(), None
    events.record(session, host, "draining", caller.user_name)
    service.record(session, caller, host, "host.drain")


def cancel(session: Session, caller: Caller, host: Host) -> None:
    """Begin no further move. The host stays closed."""
    if host.draining_since is None:
        return
    host.draining_since = host.emptied_at = None
    if host.disabled_reason == REASON:
        host.disabled_reason = ""
    events.record(session, host, "drain_cancelled", caller.user_name)
    service.record(session, caller, host, "host.drain_cancel")


def step(database: Database) -> None:
    """One round for every host that is being drained; each move is accepted by itself."""
    with database.reading() as session:
        hosts = list(session.scalars(select(Host.id).where(Host.draining_since.is_not(None))))
    for host_id in hosts:
        with database.reading() as session:
            chosen = _next(session, queries.on_host(session, host_id))
        for instance_id in chosen:
            _move(database, instance_id)
        with database.transaction() as session:
            _note_empty(session, host_id)


def _next(session: Session, placed: list[Instance]) -> list[str]:
    """Ids of the instances to move now; fewer than AT_ONCE while others are on their way."""
    active = queries.active_operations(session, [instance.id for instance in placed])
    free = AT_ONCE - sum(operation.kind == MoveInstance.kind for operation in active.values())
    chosen: list[str] = []
    for instance in sorted(placed, key=lambda each: each.name):
        if len(chosen) >= free:
            break
        if instance.id in active or _failed_just_now(session, instance.id):
            continue
        # Those that no host can take must not keep the others waiting.
        if moving.planned(session, instance).target is not None:
            chosen.append(instance.id)
    return chosen


def _failed_just_now(session: Session, instance_id: str) -> bool:
    for last in operations.operations_of(session, "instance", instance_id, 1):
        ended = last.finished_at
        if last.kind == MoveInstance.kind and last.status == "failed" and ended is not None:
            return now() - ended < TRY_AGAIN_AFTER
    return False


def _move(database: Database, instance_id: str) -> None:
    try:
        with database.transaction() as session:
            moving.begin(session, SYSTEM, session.get_one(Instance, instance_id))
    except WebcloudError as error:
        # Something has changed since it was chosen; the next round looks again.
        log.info("instance %s cannot be moved now: %s", instance_id, error.message)


def _note_empty(session: Session, host_id: str) -> None:
    host = session.get(Host, host_id)
    if host is None or host.draining_since is None:
        return
    empty = not service.in_the_way(session, host)
    if empty == (host.emptied_at is not None):
        return
    host.emptied_at = now() if empty else None
    if empty:
        events.record(session, host, "emptied")
    publish.changed(session, "host", host.id, None)
