"""Has the host the hypervisor that the image wants? A host with KVM also runs QEMU's guests."""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say

ALSO = {"kvm": frozenset({"qemu"})}


def refusal(request: Request, candidate: Candidate) -> Said | None:
    wanted, offered = request.hypervisor.lower(), candidate.hypervisor.lower()
    if wanted in ("", offered) or wanted in ALSO.get(offered, ()):
        return None
    return say(
        "has the hypervisor {offered}, the image needs {wanted}",
        offered=offered or "?",
        wanted=wanted,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del refused
    return say(
        "No host has the hypervisor {wanted} that the image needs.",
        wanted=request.hypervisor.lower(),
    )
