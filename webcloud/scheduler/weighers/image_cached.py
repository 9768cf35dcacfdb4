"""Prefer a host that has the image already."""

from __future__ import annotations

from webcloud.scheduler.request import Candidate, Request


def weight(request: Request, candidate: Candidate) -> float:
    del request
    return 1.0 if candidate.image_cached else 0.0
