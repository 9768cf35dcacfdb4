"""Notices hosts that have stopped answering.

Whoever looks at a page must not have to reload it: something on a timer writes
down that a host is silent, tells the domains above, and sends the hint.  A
controller that has itself been asleep or has only just started waits until it
has listened long enough.  With the same beat hosts whose work waits are hinted to
again, so that one that rests costs one beat.
"""

from __future__ import annotations

import time

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webcloud.db import Database, now
from webcloud.hosts import events, hearing, hinting, observers, presence
from webcloud.hosts.models import Host
from webcloud.live import publish

EVERY_SECONDS = 2.0
# Looked this long ago, on the monotonic clock, means that this process was asleep.
ASLEEP_SECONDS = 6.0

_looked_at = 0.0


def beat(database: Database) -> None:
    """What is looked at every EVERY_SECONDS: who is silent, and who may not know of work."""
    notice(database)
    hinting.hint_again(database)


def notice(database: Database) -> None:
    """Write down each host that has become silent since the last look."""
    global _looked_at
    moment, before = time.monotonic(), _looked_at
    _looked_at = moment
    if moment - before > ASLEEP_SECONDS:
        presence.listen_anew()
    with database.reading() as session:
        unheard = presence.unheard(session)
    if unheard:
        # Who has just spoken may not have been written down yet.
        hearing.of(database).write_all(database)
    for host_id in unheard:
        with database.transaction() as session:
            _fell_silent(session, host_id)


def _fell_silent(session: Session, host_id: str) -> None:
    # Conditional, so that a host which has spoken meanwhile or was noticed elsewhere is not.
    marked = session.execute(
        update(Host)
        .where(
            Host.id == host_id,
            Host.silent_since.is_(None),
            Host.last_seen_at < now() - presence.SILENT_AFTER,
        )
        .values(silent_since=Host.last_seen_at)
    )
    if marked.rowcount != 1:  # type: ignore[attr-defined]
        return
    host = session.scalars(select(Host).where(Host.id == host_id)).one()
    events.record(session, host, "silent")
    for observer in observers.silences():
        observer(session, host)
    publish.changed(session, "host", host_id, None)
