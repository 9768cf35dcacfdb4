"""Has one of the host's aggregates every property that the flavor asks for?

A flavor asks with ``aggregate_instance_extra_specs:KEY``.  The value is taken
literally, but for Nova's alternatives: ``<or> ssd <or> nvme``.
"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def refusal(request: Request, candidate: Candidate) -> Said | None:
    for key, wanted in request.aggregate_specs.items():
        offered = sorted({each[key] for each in candidate.aggregates if key in each})
        if not any(value in _alternatives(wanted) for value in offered):
            return say(
                "is in no aggregate with {key}={wanted} (it has: {offered})",
                key=key,
                wanted=wanted,
                offered=", ".join(offered) or "–",
            )
    return None


def nowhere(request: Request, refused: Sequence[Candidate]) -> Said:
    del refused
    wanted = ", ".join(f"{key}={value}" for key, value in request.aggregate_specs.items())
    return say("No suitable host has what the flavor asks for: {wanted}.", wanted=wanted)


def _alternatives(wanted: str) -> list[str]:
    if not wanted.startswith("<or>"):
        return [wanted]
    return [part.strip() for part in wanted.split("<or>")[1:]]
