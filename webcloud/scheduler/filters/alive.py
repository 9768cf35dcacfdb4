"""Has the host been heard from lately?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    del request
    return None if candidate.alive else say("is silent")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("No host that is open for new instances answers at the moment.")
