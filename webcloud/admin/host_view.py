"""A host as its pages show it: its states, and what is promised of what it offers."""

from __future__ import annotations

from dataclasses import dataclass

from webcloud.hosts import capacity, presence, versions
from webcloud.hosts.models import Host
from webcloud.words import mark


@dataclass(frozen=True)
class Look:
    """How a host's state is shown: words, colour and icon, never colour alone."""

    words: str
    colour: str
    icon: str


READY = Look(mark("Ready"), "green", "circle-check")
SILENT = Look(mark("Not answering"), "red", "alert-triangle")
FORCED_DOWN = Look(mark("Said to be down"), "red", "circle-x")
GIVEN_UP = Look(mark("Given up"), "secondary", "trash")
DISABLED = Look(mark("Closed"), "secondary", "circle-off")
DRAINING = Look(mark("Draining"), "orange", "loader")
EMPTIED = Look(mark("Drained"), "green", "circle-check")
UNSPOKEN = Look(mark("Agent of another version"), "red", "alert-triangle")
LOW_DISK = Look(mark("Disk nearly full"), "orange", "alert-triangle")
LOOKS = (READY, SILENT, UNSPOKEN, LOW_DISK, FORCED_DOWN, GIVEN_UP, DISABLED, DRAINING, EMPTIED)


@dataclass(frozen=True)
class Room:
    """What is promised of one resource. ``has`` is the real amount, ``total`` may be more.

    ``total`` 0 means that it is not known yet.
    """

    words: str
    used: float
    total: int
    has: int
    unit: str

    @property
    def full(self) -> bool:
        return bool(self.total) and self.used >= self.total

    @property
    def overcommitted(self) -> bool:
        return self.total != self.has


@dataclass(frozen=True)
class HostView:
    """One host as its pages show it; ``looks`` begins with the worst."""

    host: Host
    looks: tuple[Look, ...]
    instances: int
    rooms: tuple[Room, ...]

    @property
    def problem(self) -> str:
        """Why its agent cannot be spoken with, "" when it can."""
        problem = versions.problem_of(self.host)
        return problem.full_message if problem is not None else ""

    @property
    def low_disk(self) -> bool:
        return LOW_DISK in self.looks

    @property
    def look(self) -> Look:
        return self.looks[0]


def view(host: Host, instances: int) -> HostView:
    """Pure: from the row and the number of instances on the host."""
    return HostView(host, _looks(host), instances, _rooms(host))


def _looks(host: Host) -> tuple[Look, ...]:
    if host.given_up:
        return (GIVEN_UP,)
    looks = []
    if not presence.is_heard(host):
        looks.append(SILENT)
    if versions.problem_of(host) is not None:
        looks.append(UNSPOKEN)
    if host.forced_down:
        looks.append(FORCED_DOWN)
    if capacity.nearly_full(host):
        looks.append(LOW_DISK)
    if host.draining_since is not None:
        looks.append(DRAINING if host.emptied_at is None else EMPTIED)
    elif not host.enabled:
        looks.append(DISABLED)
    return tuple(looks) or (READY,)


def _rooms(host: Host) -> tuple[Room, ...]:
    total, _ = capacity.room_of(host)
    disk = host.disk_total // capacity.GIB
    return (
        Room(mark("vCPUs"), host.allocated_vcpus, total.vcpus, host.vcpus, ""),
        Room(
            mark("Memory"),
            round(host.allocated_memory_mb / 1024, 1),
            total.memory_mb // 1024,
            host.memory_mb // 1024,
            "GB",
        ),
        Room(mark("Disk"), host.allocated_disk_gb, total.disk_gb, disk, "GB"),
    )
