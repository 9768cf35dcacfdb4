"""The weighers. Each file holds ``weight(request, candidate) -> float`` within 0..1.

How much each counts against the others are the settings ``WEBCLOUD_WEIGHT_*``,
handed in as ``Factors``; one with the factor 0 is not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webcloud.scheduler.request import Candidate, Request
from webcloud.scheduler.weighers import image_cached, pack, soft_affinity, spread

Weigher = Callable[[Request, Candidate], float]


@dataclass(frozen=True)
class Factors:
    """What each weigher's answer is multiplied with."""

    spread: float = 1.0
    pack: float = 0.0
    image_cached: float = 0.5
    soft_affinity: float = 4.0


WEIGHERS: tuple[tuple[str, Weigher], ...] = (
    ("spread", spread.weight),
    ("pack", pack.weight),
    ("image_cached", image_cached.weight),
    ("soft_affinity", soft_affinity.weight),
)


def wanted(request: Request, factors: Factors) -> tuple[tuple[str, float, Weigher], ...]:
    """The weighers that this request is weighed by, each with its factor."""
    soft = request.group is not None and request.group.policy.startswith("soft-")
    return tuple(
        (name, getattr(factors, name), weigher)
        for name, weigher in WEIGHERS
        if getattr(factors, name) and (soft or name != "soft_affinity")
    )
