"""Prefer the host with the larger share of its memory free."""

from __future__ import annotations

from webcloud.scheduler.request import Candidate, Request


def weight(request: Request, candidate: Candidate) -> float:
    del request
    if candidate.total_memory_mb <= 0:
        return 0.0
    return max(0.0, candidate.free_memory_mb / candidate.total_memory_mb)
