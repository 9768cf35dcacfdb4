"""Is the host open for new instances?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say, word


def refusal(request: Request, candidate: Candidate) -> Said | None:
    del request
    if candidate.enabled:
        return None
    if not candidate.disabled_reason:
        return say("is disabled (no reason given)")
    return say("is disabled ({reason})", reason=word(candidate.disabled_reason))


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("Every host is closed for new instances at the moment.")
