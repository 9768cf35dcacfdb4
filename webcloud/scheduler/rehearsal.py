"""Where several alike instances would go one after the other, without any of them going.

Pure: each one finds the hosts as those before it would have left them.
"""

from __future__ import annotations

from dataclasses import replace

from webcloud.scheduler.placement import Decision, choose
from webcloud.scheduler.request import Candidate, Request
from webcloud.scheduler.weighers import Factors


def rehearse(
    request: Request, candidates: list[Candidate], count: int, factors: Factors | None = None
) -> list[Decision]:
    """One decision for each of ``count``; the last one, if it found no host, ends the list."""
    decisions: list[Decision] = []
    hosts = candidates
    while len(decisions) < count:
        decision = choose(request, hosts, factors)
        decisions.append(decision)
        if not decision.ranking:
            break
        chosen = decision.ranking[0]
        hosts = [
            _with_one_more(request, host) if host.host_id == chosen else host for host in hosts
        ]
        if request.group is not None:
            placed = dict(request.group.placed)
            placed[chosen] = placed.get(chosen, 0) + 1
            request = replace(request, group=replace(request.group, placed=placed))
    return decisions


def _with_one_more(request: Request, host: Candidate) -> Candidate:
    return host._replace(
        free_vcpus=host.free_vcpus - request.vcpus,
        free_memory_mb=host.free_memory_mb - request.memory_mb,
        free_disk_gb=host.free_disk_gb - request.disk_gb,
    )
