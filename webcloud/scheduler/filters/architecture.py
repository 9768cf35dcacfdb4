"""Can the host's processor run the image? What the image does not say does not matter."""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say

# Other names for the same, as image properties have them.
SAME = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "i386": "i686", "x86": "i686"}
# What a processor runs besides its own.
ALSO = {"x86_64": frozenset({"i686"})}


def refusal(request: Request, candidate: Candidate) -> Said | None:
    if not request.architecture:
        return None
    wanted = _name(request.architecture)
    offered = _name(candidate.architecture)
    if wanted == offered or wanted in ALSO.get(offered, ()):
        return None
    return say(
        "has the architecture {offered}, the image needs {wanted}",
        offered=offered or "?",
        wanted=wanted,
    )


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del refused
    return say(
        "No host can run an image for the architecture {wanted}.",
        wanted=_name(request.architecture),
    )


def _name(text: str) -> str:
    lowered = text.lower()
    return SAME.get(lowered, lowered)
