"""Gives a host overcommit ratios of its own, or takes them back. For operators.

A smaller ratio than what is promised already takes nothing away: the host
gets no new instances until enough have left.
"""

from __future__ import annotations

import math

from sqlalchemy.orm import Session

from webcloud.errors import BadRequest
from webcloud.hosts import service
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.words import say

MOST = 1000.0


def set_ratios(
    session: Session,
    caller: Caller,
    host: Host,
    *,
    cpu: float | None,
    memory: float | None,
    disk: float | None,
) -> None:
    """Set all three; None means the installation's setting. Raises BadRequest."""
    given = {"cpu_ratio": cpu, "memory_ratio": memory, "disk_ratio": disk}
    for name, value in given.items():
        if value is not None and not (math.isfinite(value) and 0 <= value <= MOST):
            raise BadRequest(
                say("{name} must be a number from 0 to {most}.", name=name, most=int(MOST)),
                field=name,
            )
        setattr(host, name, value)
    service.record(session, caller, host, "host.set_ratios", **given)
