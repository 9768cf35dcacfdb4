"""Has the host virtual CPUs left to promise, its overcommit ratio applied?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if request.vcpus <= candidate.free_vcpus:
        return None
    return say(
        "has {free} vCPUs free, {needed} are needed",
        free=candidate.free_vcpus,
        needed=request.vcpus,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    return say(
        "No host has {needed} vCPUs free; the largest has {free}.",
        needed=request.vcpus,
        free=max([0, *(candidate.free_vcpus for candidate in refused)]),
    )
