"""Are the group's instances, if there are any, on this host? Asked by the policy affinity."""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    group = request.group
    if group is None or group.policy != "affinity":
        return None
    if not group.placed or candidate.host_id in group.placed:
        return None
    return say("is not the host where the server group's instances are")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("The host where the server group's instances are cannot take another one.")
