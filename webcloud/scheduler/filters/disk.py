"""Has the host the disk left to promise, its overcommit ratio applied?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if request.disk_gb <= candidate.free_disk_gb:
        return None
    return say(
        "has {free} GB of disk free, {needed} GB is needed",
        free=candidate.free_disk_gb,
        needed=request.disk_gb,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    return say(
        "No host has {needed} GB of disk free; the largest has {free} GB.",
        needed=request.disk_gb,
        free=max([0, *(candidate.free_disk_gb for candidate in refused)]),
    )
