"""Is it the host that an operator named?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if request.host_id in ("", candidate.host_id):
        return None
    return say("is not the host that was named")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("The host that was named is closed for new instances or does not answer.")
