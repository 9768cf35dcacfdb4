"""Is the host free of the instances that it must not be with?"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if candidate.host_id not in (request.different_hosts or ()):
        return None
    return say("has an instance that it must not be with")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("Every suitable host has an instance that it must not be with.")
