"""Prefer the host with the smaller share of its memory free, to keep others empty."""

from __future__ import annotations

from webcloud.scheduler.request import Candidate, Request
from webcloud.scheduler.weighers import spread


def weight(request: Request, candidate: Candidate) -> float:
    return max(0.0, 1.0 - spread.weight(request, candidate))
