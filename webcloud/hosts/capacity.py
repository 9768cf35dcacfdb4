"""Room on hosts: claimed and given back by one conditional UPDATE each.

What may be promised is what the host has, times its overcommit ratio: its
own, where an operator gave it one, else the setting.  Of a disk no more is
promised than is free on it now, times a ratio above 1, and nothing once it is
nearly full, whatever has filled it.  The installation's settings are made known
once, when the application is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Float, Integer, Update, bindparam, case, func, or_, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from webcloud.config import Config
from webcloud.hosts.models import Host

GIB = 1024**3
# A disk with less free than one part in so many, and less than so much, is nearly full.
LEAST_SHARE, LEAST_BYTES = 20, 5 * GIB


class Ratios(NamedTuple):
    """How many times over each resource may be promised."""

    cpu: float = Config.cpu_ratio
    memory: float = Config.memory_ratio
    disk: float = Config.disk_ratio


class Room(NamedTuple):
    """Amounts that can be promised. Memory in MiB, disk in GiB."""

    vcpus: int
    memory_mb: int
    disk_gb: int


# What ``room`` takes, in its order.
COLUMNS = (
    *(Host.vcpus, Host.memory_mb, Host.disk_total, Host.disk_free),
    *(Host.cpu_ratio, Host.memory_ratio, Host.disk_ratio),
    *(Host.allocated_vcpus, Host.allocated_memory_mb, Host.allocated_disk_gb),
)

_defaults = Ratios()


def configure(config: Config) -> None:
    """Take the installation's choice."""
    global _defaults
    _defaults = Ratios(config.cpu_ratio, config.memory_ratio, config.disk_ratio)


def ratios(host: Host) -> Ratios:
    """The ratios that count for this host."""
    own = (host.cpu_ratio, host.memory_ratio, host.disk_ratio)
    return Ratios(
        *(default if mine is None else mine for mine, default in zip(own, _defaults, strict=True))
    )


def room_of(host: Host) -> tuple[Room, Room]:
    """What can be promised of a host in all, and what of it is free."""
    return room([getattr(host, column.key) for column in COLUMNS])


def room(values: Sequence[Any]) -> tuple[Room, Room]:
    """The same from the values of COLUMNS."""
    vcpus, memory_mb, disk_total, disk_free, cpu, memory, disk, *allocated = values
    usual_cpu, usual_memory, usual_disk = _defaults
    times = usual_disk if disk is None else disk
    all_vcpus = int(vcpus * (usual_cpu if cpu is None else cpu))
    all_memory = int(memory_mb * (usual_memory if memory is None else memory))
    all_disk = int(disk_total // GIB * times)
    really = int(disk_free // GIB * max(times, 1.0)) if disk_free >= least_free(disk_total) else 0
    used_vcpus, used_memory, used_disk = allocated
    free_disk = min(all_disk - used_disk, really)
    free = Room(all_vcpus - used_vcpus, all_memory - used_memory, free_disk)
    return Room(all_vcpus, all_memory, all_disk), free


def least_free(disk_total: int) -> int:
    """Bytes that are free on a disk of this size until it counts as nearly full."""
    return min(disk_total // LEAST_SHARE, LEAST_BYTES)


def nearly_full(host: Host) -> bool:
    """Whether the host said last that little is left on its disk; False before it said."""
    return host.disk_free < least_free(host.disk_total)


def claim(session: Session, host_id: str, vcpus: int, memory_mb: int, disk_gb: int) -> bool:
    """Take the room on the host; False when it does not have it (any more).

    Objects of hosts that the session holds do not learn of it.
    """
    given: dict[str, Any] = {"host_id": host_id}
    given |= {
        f"wanted_{name}": amount
        for name, amount in Room(vcpus, memory_mb, disk_gb)._asdict().items()
    }
    given |= {f"usual_{name}": ratio for name, ratio in _defaults._asdict().items()}
    session.flush()
    statement = _CLAIM if disk_gb > 0 else _CLAIM_WITHOUT_DISK
    return bool(session.connection().execute(statement, given).rowcount == 1)


def release(session: Session, host_id: str, vcpus: int, memory_mb: int, disk_gb: int) -> None:
    """Give the room back."""
    session.execute(
        update(Host)
        .where(Host.id == host_id)
        .values(
            allocated_vcpus=Host.allocated_vcpus - vcpus,
            allocated_memory_mb=Host.allocated_memory_mb - memory_mb,
            allocated_disk_gb=Host.allocated_disk_gb - disk_gb,
        )
    )


def _ratio(own: Any, name: str) -> ColumnElement[Any]:
    return func.coalesce(own, bindparam(f"usual_{name}", type_=Float))


def _claiming(*, with_disk: bool) -> Update:
    """Takes what Room and Ratios have, by their names; an instance may need no disk of its own."""
    vcpus, memory_mb, disk_gb = (
        bindparam(f"wanted_{name}", type_=Integer) for name in Room._fields
    )
    # Divided, not multiplied: bytes do not fit the columns that count GiB.
    total, free = Host.disk_total // GIB, Host.disk_free // GIB
    conditions = [
        Host.id == bindparam("host_id"),
        Host.enabled.is_(True),
        Host.allocated_vcpus + vcpus <= Host.vcpus * _ratio(Host.cpu_ratio, "cpu"),
        Host.allocated_memory_mb + memory_mb
        <= Host.memory_mb * _ratio(Host.memory_ratio, "memory"),
        Host.allocated_disk_gb + disk_gb <= total * _ratio(Host.disk_ratio, "disk"),
    ]
    if with_disk:
        least = case(
            (Host.disk_total < LEAST_BYTES * LEAST_SHARE, Host.disk_total // LEAST_SHARE),
            else_=LEAST_BYTES,
        )
        fits = or_(disk_gb <= free, disk_gb <= free * _ratio(Host.disk_ratio, "disk"))
        conditions += [Host.disk_free >= least, fits]
    return (
        update(Host)
        .where(*conditions)
        .values(
            allocated_vcpus=Host.allocated_vcpus + vcpus,
            allocated_memory_mb=Host.allocated_memory_mb + memory_mb,
            allocated_disk_gb=Host.allocated_disk_gb + disk_gb,
        )
    )


# Built once: every placement asks it, and building it takes longer than asking.
_CLAIM, _CLAIM_WITHOUT_DISK = _claiming(with_disk=True), _claiming(with_disk=False)
