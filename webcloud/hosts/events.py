"""What happened to a host, in the order in which it happened.

Written in the same transaction as the happening, for the host's own page; the
audit log besides it says who did what.  Events end with their host, or after
90 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webcloud.db import now
from webcloud.hosts.models import Host, HostEvent
from webcloud.words import Said, from_json, mark, say

KEPT = timedelta(days=90)

# kind -> words for people; places are filled from the event's detail.
WORDS = {
    "joined": mark("Joined"),
    "rejoined": mark("Joined again with a new credential"),
    "silent": mark("Stopped answering"),
    "back": mark("Is heard again, after {seconds} seconds"),
    "enabled": mark("Opened for new instances"),
    "disabled": mark("Closed for new instances: {reason}"),
    "closed": mark("Closed for new instances"),
    "forced_down": mark("Said to be down"),
    "unforced": mark("Not said to be down any more"),
    "draining": mark("Draining begun"),
    "drain_cancelled": mark("Draining stopped"),
    "emptied": mark("Drained: nothing is on it any more"),
    "given_up": mark("Given up"),
    "inventory": mark("Inventory changed: {changes}"),
    "disk_low": mark("Its disk is nearly full: {free} GB free"),
    "disk_enough": mark("There is room on its disk again: {free} GB free"),
    "rebooted": mark("The machine was started anew; instances started again: {count}"),
    "drift": mark("Not as it should be: {subject} {words}"),
    "drift_gone": mark("As it should be again: {subject} {words}"),
    "mended": mark("Put right by the host itself: {what} of {id}"),
}


def record(session: Session, host: Host, kind: str, actor: str = "", **detail: Any) -> None:
    """Add one event; its time is now. A detail that is said is stored with its values."""
    kept = {
        name: value.as_json() if isinstance(value, Said) else value
        for name, value in detail.items()
    }
    session.add(HostEvent(host_id=host.id, at=now(), kind=kind, actor=actor[:128], detail=kept))


def of_host(session: Session, host_id: str, limit: int = 50) -> Sequence[HostEvent]:
    """The host's events, newest first."""
    return session.scalars(
        select(HostEvent)
        .where(HostEvent.host_id == host_id)
        .order_by(HostEvent.id.desc())
        .limit(limit)
    ).all()


def words(event: HostEvent) -> str:
    """The event as one sentence, which pages can translate."""
    values = {
        name: from_json(value) if isinstance(value, dict) else value
        for name, value in event.detail.items()
    }
    return say(WORDS[event.kind], **values)


def forget_old(session: Session) -> None:
    """Drop what happened more than KEPT ago."""
    session.execute(delete(HostEvent).where(HostEvent.at < now() - KEPT))
