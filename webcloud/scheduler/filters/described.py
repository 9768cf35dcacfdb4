"""Has the host told what it offers? One that has just joined asks libvirt first."""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    del request
    told = candidate.architecture or candidate.hypervisor
    return None if told else say("has not told what it offers yet")


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del request, refused
    return say("No host that answers is ready for instances yet.")
