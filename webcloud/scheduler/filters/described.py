"""Has the host told what it has? One that has just joined asks libvirt first."""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    del request
    told = candidate.architecture or candidate.hypervisor
    return None if told else say("has just joined and has not told what it has yet")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("The hosts have just joined and have not told what they have yet.")
