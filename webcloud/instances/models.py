"""Instances, flavors, key pairs, and why each instance is where it is.

What the user wants (``intended_power``, ``deleted_at``) and what the host
reports (``observed_power``) are separate columns; the status that users see
is derived from both in ``instances.states`` and stored nowhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id

# MariaDB's TEXT ends at 64 KiB.
_LONG_TEXT = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


class Flavor(Base):
    """A size. Memory in MiB, disk in GiB."""

    __tablename__ = "flavor"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    vcpus: Mapped[int] = mapped_column(Integer)
    memory_mb: Mapped[int] = mapped_column(Integer)
    disk_gb: Mapped[int] = mapped_column(Integer)
    is_public: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str] = mapped_column(String(255), default="")
    extra_specs: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column()


class KeyPair(Base):
    """A user's SSH public key. Private halves are never stored."""

    __tablename__ = "key_pair"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(8), default="ssh")
    public_key: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column()

    __table_args__ = (Index("uq_key_pair_user_id_name", "user_id", "name", unique=True),)


class Instance(Base):
    """One virtual machine. Flavor and key are copied in, so later edits do not reach it.

    ``target_host_id`` is where it is being moved to: its room is claimed there,
    too, and it becomes ``host_id`` in one step when all is there.
    ``boot`` counts the starts asked of the host.  ``fault`` is
    ``{"code", "message", "at"}`` after a failed operation, else None.
    """

    __tablename__ = "instance"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    hostname: Mapped[str] = mapped_column(String(63))
    description: Mapped[str] = mapped_column(String(255), default="")
    project_id: Mapped[str] = mapped_column(Id)
    user_id: Mapped[str] = mapped_column(Id)
    image_id: Mapped[str] = mapped_column(Id)
    image_format: Mapped[str] = mapped_column(String(16), default="qcow2")
    flavor_id: Mapped[str] = mapped_column(String(64))
    flavor_name: Mapped[str] = mapped_column(String(255))
    vcpus: Mapped[int] = mapped_column(Integer)
    memory_mb: Mapped[int] = mapped_column(Integer)
    disk_gb: Mapped[int] = mapped_column(Integer)
    key_name: Mapped[str | None] = mapped_column(String(255))
    public_key: Mapped[str | None] = mapped_column(Text)
    user_data: Mapped[str | None] = mapped_column(_LONG_TEXT)  # base64, as it was sent
    user_metadata: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    host_id: Mapped[str | None] = mapped_column(ForeignKey("host.id"), index=True)
    server_group_id: Mapped[str | None] = mapped_column(Id, index=True)
    # Where it wants to be: zone, same_host, different_host, aggregate_specs (see wishes).
    wishes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    target_host_id: Mapped[str | None] = mapped_column(Id, index=True)

    intended_power: Mapped[str] = mapped_column(String(16), default="running")  # running | shutoff
    observed_power: Mapped[str] = mapped_column(String(16), default="absent")
    # absent, running, paused, shutoff, crashed, unknown
    observed_at: Mapped[datetime | None] = mapped_column()
    # What was observed last before its host fell silent.
    power_before: Mapped[str] = mapped_column(String(16), default="")
    boot: Mapped[int] = mapped_column(Integer, default=0)
    built: Mapped[bool] = mapped_column(default=False)  # the create operation ended well
    fault: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    created_at: Mapped[datetime] = mapped_column()
    updated_at: Mapped[datetime] = mapped_column()
    launched_at: Mapped[datetime | None] = mapped_column()
    deleted_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (Index("ix_instance_project", "project_id", "deleted_at", "created_at"),)


class ServerGroup(Base):
    """Instances of a project that are to be on one host, or on different ones.

    ``policy`` is affinity, anti-affinity, soft-affinity or soft-anti-affinity.
    ``most_per_host`` is the rule max_server_per_host, for anti-affinity only.
    Placing locks this row, so that two of its instances are never placed at once.
    """

    __tablename__ = "server_group"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, index=True)
    user_id: Mapped[str] = mapped_column(Id)
    name: Mapped[str] = mapped_column(String(255))
    policy: Mapped[str] = mapped_column(String(32))
    most_per_host: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column()


class Placement(Base):
    """Why an instance is where it is: per host, what refused it or how it weighed.

    ``reasons`` holds the best hosts and the first refused ones; ``counts``
    how many passed in all ("passed") and how many each filter refused.
    """

    __tablename__ = "placement"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    instance_id: Mapped[str] = mapped_column(
        ForeignKey("instance.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime] = mapped_column()
    host_id: Mapped[str | None] = mapped_column(Id)
    reasons: Mapped[list[Any]] = mapped_column(JSON, default=list)
    counts: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))


class Leftover(Base):
    """What lies of an instance on a host that is not its own: before or after a move.

    Kept until the host says that nothing is left; until then the instance goes
    nowhere near that host again.  ``ports`` is what was plugged there.
    ``generation`` fences the removal against what the host was told before.
    """

    __tablename__ = "leftover"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    instance_id: Mapped[str] = mapped_column(ForeignKey("instance.id", ondelete="CASCADE"))
    host_id: Mapped[str] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"), index=True)
    generation: Mapped[int] = mapped_column(Integer)
    ports: Mapped[list[Any]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column()

    __table_args__ = (Index("uq_leftover_instance_host", "instance_id", "host_id", unique=True),)
