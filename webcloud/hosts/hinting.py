"""Hints again to hosts that have work and may not have heard of it.

An agent whose connection stands asks unasked only every few minutes, so a hint
that was lost must not be all there is: hosts with commands that have been open
for a moment, or were withdrawn a moment ago, are hinted to again.  What takes
a host long is hinted at more rarely, for the agent then asks for nothing new.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select

from webcloud.db import Database, now
from webcloud.hosts.models import Host, HostCommand
from webcloud.live import publish

# An agent that heard has asked by then; and one that takes longer works at it.
UNHEARD, LONG = timedelta(seconds=1.5), timedelta(seconds=20)
WITHDRAWN = timedelta(seconds=10)
# Of so many looks one concerns what has been open for long, too.
RARELY = 5

_looks = count()


def _hosts_with(*unheard: ColumnElement[bool]) -> Select[str]:
    mine = HostCommand.host_id == Host.id
    return select(Host.id).where(exists().where(mine, or_(*unheard)))


# Built once, for one of them is asked every other second.
_OPEN = and_(HostCommand.status == "open", HostCommand.created_at < bindparam("unheard"))
_NEW = and_(_OPEN, HostCommand.created_at > bindparam("long"))
_VOID = and_(HostCommand.status == "void", HostCommand.finished_at > bindparam("withdrawn"))
_WITH_WORK, _WITH_NEW_WORK = _hosts_with(_OPEN, _VOID), _hosts_with(_NEW, _VOID)


def hint_again(database: Database) -> None:
    """Tell each such host once more that it has work."""
    moment = now()
    given = {"unheard": moment - UNHEARD, "withdrawn": moment - WITHDRAWN}
    question = _WITH_WORK
    if next(_looks) % RARELY:
        question, given["long"] = _WITH_NEW_WORK, moment - LONG
    with database.reading() as session:
        host_ids = session.scalars(question, given).all()
    for host_id in host_ids:
        publish.work_now(host_id)
