"""Has the host fewer of the group's instances than its rule allows? For anti-affinity."""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    group = request.group
    if group is None or group.policy != "anti-affinity":
        return None
    members = group.placed.get(candidate.host_id, 0)
    if members < group.most_per_host:
        return None
    return say(
        "has {members} of the server group's instances, at most {most} may be on one host",
        members=members,
        most=group.most_per_host,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("Every suitable host has as many of the server group's instances as it may have.")
