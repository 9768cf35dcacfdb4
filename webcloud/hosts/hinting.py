"""Hints again to hosts that have work and may not have heard of it.

An agent whose connection stands asks unasked only every few minutes, so a hint
that was lost must not be all there is: hosts with commands that have been open
for a moment, or were withdrawn a moment ago, are hinted to again.  What takes
a host long is hinted at more rarely, for the agent then asks for nothing new.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from sqlalchemy import and_, exists, or_, select

from webcloud.db import Database, now
from webcloud.hosts.models import Host, HostCommand
from webcloud.live import publish

# An agent that heard has asked by then; and one that takes longer works at it.
UNHEARD, LONG = timedelta(seconds=1.5), timedelta(seconds=20)
WITHDRAWN = timedelta(seconds=10)
# Of so many looks one concerns what has been open for long, too.
RARELY = 5

_looks = count()


def hint_again(database: Database) -> None:
    """Tell each such host once more that it has work."""
    moment = now()
    is_open = and_(HostCommand.status == "open", HostCommand.created_at < moment - UNHEARD)
    if next(_looks) % RARELY:
        is_open = and_(is_open, HostCommand.created_at > moment - LONG)
    withdrawn = and_(HostCommand.status == "void", HostCommand.finished_at > moment - WITHDRAWN)
    unheard = exists().where(HostCommand.host_id == Host.id, or_(is_open, withdrawn))
    with database.reading() as session:
        host_ids = list(session.scalars(select(Host.id).where(unheard)))
    for host_id in host_ids:
        publish.work_now(host_id)
