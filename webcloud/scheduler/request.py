"""What is asked for, and a host as the scheduler sees it. Values only, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from webcloud.hosts import zones


@dataclass(frozen=True)
class Group:
    """The server group that the instance joins.

    ``policy`` is affinity, anti-affinity, soft-affinity or soft-anti-affinity;
    ``most_per_host`` is the rule max_server_per_host; ``placed`` counts the
    instances that are placed by host id, without the one that joins.
    """

    policy: str
    most_per_host: int = 1
    placed: Mapping[str, int] = field(default_factory=dict)

    @property
    def most_on_one_host(self) -> int:
        """How many are on the host that has most of them."""
        return max(self.placed.values(), default=0)


@dataclass(frozen=True)
class Request:
    """What an instance needs. Memory in MiB, disk in GiB.

    "" means that it does not matter.  ``aggregate_specs`` are the properties
    that an aggregate of the host must have.  ``same_hosts`` and
    ``different_hosts`` are host ids; None: nothing was asked.  ``host_id`` is
    the one host that an operator named.
    """

    vcpus: int
    memory_mb: int
    disk_gb: int
    image_id: str = ""
    architecture: str = ""
    hypervisor: str = ""
    zone: str = ""
    aggregate_specs: Mapping[str, str] = field(default_factory=dict)
    group: Group | None = None
    same_hosts: frozenset[str] | None = None
    different_hosts: frozenset[str] | None = None
    host_id: str = ""


class Candidate(NamedTuple):
    """A host with what it has left to promise, overcommit applied.

    ``aggregates`` holds the properties of each aggregate that the host is in,
    ``zone`` the availability zone that they put it into.
    """

    host_id: str
    name: str
    enabled: bool
    disabled_reason: str
    alive: bool
    architecture: str
    hypervisor: str
    free_vcpus: int
    free_memory_mb: int
    free_disk_gb: int
    total_memory_mb: int = 0
    image_cached: bool = False
    aggregates: tuple[Mapping[str, str], ...] = ()
    zone: str = zones.DEFAULT
