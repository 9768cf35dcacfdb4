"""The filters, in the order they are asked: cheap and decisive ones first.

Each file asks one question with two functions.  ``refusal(request, candidate)``
lets the host pass with None or says why not, with the numbers.
``nowhere(request, refused)`` says for users, in one sentence that names no
host, that every host in question was refused, with the best that there is.

The last three are about room; what a host is comes before what it has left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from webcloud.scheduler.filters import (
    affinity,
    aggregate,
    alive,
    anti_affinity,
    architecture,
    cpu,
    described,
    different_host,
    disk,
    enabled,
    hypervisor,
    memory,
    named_host,
    same_host,
    zone,
)
from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said

Refusal = Callable[[Request, Candidate], Said | None]


class Filter(NamedTuple):
    """One question, by the name that is kept with a decision.

    It is asked only of requests that ``concerns`` it: there may be a thousand hosts.
    """

    name: str
    refusal: Refusal
    nowhere: Callable[[Request, Sequence[Candidate]], Said]
    concerns: Callable[[Request], bool]


def _every(request: Request) -> bool:
    del request
    return True


def _policy(name: str) -> Callable[[Request], bool]:
    return lambda request: request.group is not None and request.group.policy == name


SUITABLE: tuple[Filter, ...] = (
    Filter("enabled", enabled.refusal, enabled.nowhere, _every),
    Filter("alive", alive.refusal, alive.nowhere, _every),
    Filter("described", described.refusal, described.nowhere, _every),
    Filter("named_host", named_host.refusal, named_host.nowhere, lambda it: bool(it.host_id)),
    Filter(
        "architecture",
        architecture.refusal,
        architecture.nowhere,
        lambda it: bool(it.architecture),
    ),
    Filter("hypervisor", hypervisor.refusal, hypervisor.nowhere, lambda it: bool(it.hypervisor)),
    Filter("zone", zone.refusal, zone.nowhere, lambda it: bool(it.zone)),
    Filter("aggregate", aggregate.refusal, aggregate.nowhere, lambda it: bool(it.aggregate_specs)),
    Filter("same_host", same_host.refusal, same_host.nowhere, lambda it: it.same_hosts is not None),
    Filter(
        "different_host",
        different_host.refusal,
        different_host.nowhere,
        lambda it: bool(it.different_hosts),
    ),
    Filter("affinity", affinity.refusal, affinity.nowhere, _policy("affinity")),
    Filter("anti_affinity", anti_affinity.refusal, anti_affinity.nowhere, _policy("anti-affinity")),
)
ROOM: tuple[Filter, ...] = (
    Filter("memory", memory.refusal, memory.nowhere, _every),
    Filter("cpu", cpu.refusal, cpu.nowhere, _every),
    Filter("disk", disk.refusal, disk.nowhere, _every),
)
FILTERS: tuple[Filter, ...] = (*SUITABLE, *ROOM)
