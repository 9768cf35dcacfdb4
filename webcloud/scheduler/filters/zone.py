"""Is the host in the availability zone that was asked for?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if request.zone in ("", candidate.zone):
        return None
    return say(
        "is in availability zone {zone}, {wanted} is wanted",
        zone=candidate.zone,
        wanted=request.zone,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del refused
    return say("No suitable host is in availability zone {zone}.", zone=request.zone)
