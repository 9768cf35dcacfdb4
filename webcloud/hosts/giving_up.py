"""Giving up a host whose machine will never come back.

What undoes or deletes something there counts as done from then on, so that
every operation ends and instances that lay there can be deleted.  The host's
credential ends first: were the machine to come back after all, its agent would
neither get commands nor be believed.  Its row stays, because instances name it.
Should its machine join again, it takes no new instance until somebody opens
it, and what was deleted meanwhile shows there as what no instance owns.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor import starting
from webcloud.db import now
from webcloud.errors import Conflict
from webcloud.hosts import enrolment, events, presence, service
from webcloud.hosts.models import Host, HostCommand
from webcloud.identity.callers import Caller
from webcloud.words import mark, say

REASON = mark("The host was given up.")


def give_up(session: Session, caller: Caller, host: Host) -> None:
    """Raises Conflict while the host is still heard from."""
    if presence.is_heard(host):
        raise Conflict(
            say("Host {name!r} is still heard from.", name=host.name),
            next_step="Switch the machine or its agent off first.",
        )
    enrolment.revoke(session, host)
    host.given_up_at = now()
    host.enabled, host.disabled_reason = False, REASON
    events.record(session, host, "given_up", caller.user_name)
    service.record(session, caller, host, "host.give_up")
    session.flush()
    waiting = select(HostCommand.operation_id).where(
        HostCommand.host_id == host.id, HostCommand.status == "open"
    )
    for operation_id in set(session.scalars(waiting)):
        if operation_id is not None:
            starting.wake(session, operation_id)
