"""Prefer hosts with many of the server group's instances, or with few of them.

Soft-affinity and soft-anti-affinity never refuse a host.
"""

from __future__ import annotations

from webcloud.scheduler.request import Candidate, Request


def weight(request: Request, candidate: Candidate) -> float:
    group = request.group
    if group is None or not group.placed:
        return 0.0
    share = group.placed.get(candidate.host_id, 0) / group.most_on_one_host
    return 1.0 - share if group.policy == "soft-anti-affinity" else share
