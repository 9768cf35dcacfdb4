"""Is one of the instances that it wants to be with on this host?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if request.same_hosts is None or candidate.host_id in request.same_hosts:
        return None
    return say("has none of the instances that it must be with")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("No suitable host has the instances that it must be with.")
