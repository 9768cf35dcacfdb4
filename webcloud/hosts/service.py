"""What operators do with a host: open it, close it, say that it is down, remove it.

Each writes its event and its audit entry into the caller's transaction and
commits nothing.  Nothing here touches an instance: what runs on a closed host
goes on running, and a host that anything is on cannot be removed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from webcloud.conductor.models import OperationRow
from webcloud.errors import Conflict
from webcloud.hosts import events, observers
from webcloud.hosts.models import Host, HostCommand, JoinToken
from webcloud.identity import audit_trail
from webcloud.identity.callers import Caller
from webcloud.live import publish
from webcloud.words import join, say


def enable(session: Session, caller: Caller, host: Host) -> None:
    """Take new instances again, which also ends a draining.

    Raises Conflict for a host that was given up.
    """
    if host.given_up:
        raise Conflict(
            say("Host {name!r} was given up.", name=host.name),
            next_step="Have its machine join again: webcloud host add NAME",
        )
    if host.enabled:
        return
    host.enabled, host.disabled_reason = True, ""
    host.draining_since = host.emptied_at = None
    events.record(session, host, "enabled", caller.user_name)
    record(session, caller, host, "host.enable")


def disable(session: Session, caller: Caller, host: Host, reason: str = "") -> None:
    """Take no new instances; those that are there stay. ``reason`` is shown to operators."""
    if not host.enabled and host.disabled_reason == reason:
        return
    host.enabled, host.disabled_reason = False, reason
    kind = "disabled" if reason else "closed"
    events.record(session, host, kind, caller.user_name, **({"reason": reason} if reason else {}))
    record(session, caller, host, "host.disable", reason=reason)


def force_down(session: Session, caller: Caller, host: Host, down: bool) -> None:
    """Count the host as down, whatever is heard from it, until this is taken back."""
    if host.forced_down == down:
        return
    host.forced_down = down
    events.record(session, host, "forced_down" if down else "unforced", caller.user_name)
    record(session, caller, host, "host.force_down" if down else "host.unforce_down")


def in_the_way(session: Session, host: Host) -> list[str]:
    """What keeps the host from being removed, each in words; empty when nothing does."""
    found = [words for observer in observers.holders() for words in observer(session, host)]
    working = session.scalar(
        select(func.count(func.distinct(HostCommand.operation_id)))
        .join(OperationRow, OperationRow.id == HostCommand.operation_id)
        .where(
            HostCommand.host_id == host.id,
            HostCommand.status == "open",
            OperationRow.finished_at.is_(None),
        )
    )
    if working:
        found.append(say("{count} unfinished operations that need it", count=working))
    return found


def remove(session: Session, caller: Caller, host: Host) -> None:
    """Forget the host: its credential, commands, events and unused join tokens.

    Raises Conflict, naming what is in the way, unless nothing is on it.
    """
    # Closed first, and locked by that: nothing can be placed here from now on.
    host.enabled = False
    session.flush()
    obstacles = in_the_way(session, host)
    if obstacles:
        raise Conflict(
            say(
                "Host {name!r} is not empty: {obstacles}.",
                name=host.name,
                obstacles=join(", ", obstacles),
            ),
            next_step="Drain it or delete these first. A machine that is lost for good can be "
            "given up: webcloud host give-up NAME",
        )
    for observer in observers.removals():
        observer(session, host)
    record(session, caller, host, "host.remove")
    session.execute(delete(JoinToken).where(JoinToken.host_name == host.name))
    session.delete(host)
    session.flush()


def record(session: Session, caller: Caller, host: Host, action: str, **detail: Any) -> None:
    """The audit entry of an operator's deed on a host, and the hint that it has changed."""
    audit_trail.record(session, caller, action, host, project_id=None, **detail)
    publish.changed(session, "host", host.id, None)
