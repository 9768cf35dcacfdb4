"""Has the host the memory left to promise, its overcommit ratio applied?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler import amounts
from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if request.memory_mb <= candidate.free_memory_mb:
        return None
    return say(
        "has {free} MB of memory free, {needed} MB is needed",
        free=candidate.free_memory_mb,
        needed=request.memory_mb,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    most = max([0, *(candidate.free_memory_mb for candidate in refused)])
    return say(
        "No host has {needed} of memory free; the largest has {free}.",
        needed=amounts.memory(request.memory_mb),
        free=amounts.memory(most),
    )
