"""Hosts, their credentials, what they offer, what happened to them, and their commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class Host(Base):
    """One enrolled host. Offered resources come from its agent, allocations from us.

    The allocation columns change only by conditional UPDATE, so concurrent
    placements can never promise the same room twice.
    """

    __tablename__ = "host"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    host_uuid: Mapped[str] = mapped_column(Id)
    credential_hash: Mapped[str] = mapped_column(String(64))
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str] = mapped_column(String(255), default="")
    joined_at: Mapped[datetime] = mapped_column()
    last_seen_at: Mapped[datetime | None] = mapped_column()
    # When it was last heard, once its silence has been noticed; None while it is heard.
    silent_since: Mapped[datetime | None] = mapped_column()
    # An operator has said that it is down, whatever is heard from it.
    forced_down: Mapped[bool] = mapped_column(default=False)
    given_up_at: Mapped[datetime | None] = mapped_column()
    draining_since: Mapped[datetime | None] = mapped_column()
    emptied_at: Mapped[datetime | None] = mapped_column()  # nothing is on it since, while draining
    booted_at: Mapped[datetime | None] = mapped_column()  # the machine, as it says
    boot_id: Mapped[str] = mapped_column(String(36), default="")
    # It was started anew, and its instances have not been looked at since.
    restart_due: Mapped[bool] = mapped_column(default=False)
    went_silent_at: Mapped[datetime | None] = mapped_column()  # the last time that it did
    address: Mapped[str] = mapped_column(String(64), default="")  # where it calls from

    wire_version: Mapped[int] = mapped_column(Integer, default=1)
    agent_version: Mapped[str] = mapped_column(String(32), default="")
    hypervisor: Mapped[str] = mapped_column(String(16), default="")
    architecture: Mapped[str] = mapped_column(String(16), default="")
    vcpus: Mapped[int] = mapped_column(Integer, default=0)
    memory_mb: Mapped[int] = mapped_column(Integer, default=0)
    disk_total: Mapped[int] = mapped_column(BigInteger, default=0)
    disk_free: Mapped[int] = mapped_column(BigInteger, default=0)
    versions: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    cached_images: Mapped[list[str]] = mapped_column(JSON, default=list)

    # How many times over it may be promised; None: as the settings say.
    cpu_ratio: Mapped[float | None] = mapped_column(Double)
    memory_ratio: Mapped[float | None] = mapped_column(Double)
    disk_ratio: Mapped[float | None] = mapped_column(Double)
    allocated_vcpus: Mapped[int] = mapped_column(Integer, default=0)
    allocated_memory_mb: Mapped[int] = mapped_column(Integer, default=0)
    allocated_disk_gb: Mapped[int] = mapped_column(Integer, default=0)

    reporting_run: Mapped[str] = mapped_column(String(64), default="")
    reporting_sequence: Mapped[int] = mapped_column(Integer, default=0)

    @property
    def given_up(self) -> bool:
        """Whether nothing there is waited for; joining again ends it, nothing else does."""
        return self.given_up_at is not None

    @property
    def known_versions(self) -> dict[str, str]:
        """``versions``, and none where the row is damaged."""
        return self.versions if isinstance(self.versions, dict) else {}


class HostEvent(Base):
    """One thing that happened to a host. ``kind`` is a key of ``events.WORDS``."""

    __tablename__ = "host_event"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    host_id: Mapped[str] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column()
    kind: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(128), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    __table_args__ = (Index("ix_host_event_host_id", "host_id", "id"),)


class Aggregate(Base):
    """Hosts that have something in common, which ``properties`` say.

    The property ``availability_zone`` makes it one; no host is in two zones.
    """

    __tablename__ = "aggregate"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(Id, unique=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    properties: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column()
    updated_at: Mapped[datetime | None] = mapped_column()


class AggregateHost(Base):
    """A host in an aggregate."""

    __tablename__ = "aggregate_host"

    aggregate_id: Mapped[int] = mapped_column(
        ForeignKey("aggregate.id", ondelete="CASCADE"), primary_key=True
    )
    host_id: Mapped[str] = mapped_column(
        ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JoinToken(Base):
    """The right to enrol one host, once, under one name; by hash."""

    __tablename__ = "join_token"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    host_name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column()
    expires_at: Mapped[datetime] = mapped_column()
    used_at: Mapped[datetime | None] = mapped_column()


class HostCommand(Base):
    """One command to one host, open until the host reports its end.

    ``operation_id`` is None for a query (console log, survey).
    """

    __tablename__ = "host_command"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    host_id: Mapped[str] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"))
    operation_id: Mapped[str | None] = mapped_column(Id)
    step: Mapped[str] = mapped_column(String(64), default="")
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    subject_id: Mapped[str] = mapped_column(Id)
    generation: Mapped[int] = mapped_column(Integer, default=0)
    verb: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    status: Mapped[str] = mapped_column(String(8), default="open")  # open, done, failed, void
    progress: Mapped[float | None] = mapped_column()
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    error_code: Mapped[str] = mapped_column(String(64), default="")
    error_message: Mapped[str] = mapped_column(Text, default="")
    retryable: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column()
    finished_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (
        Index("ix_host_command_open", "host_id", "status"),
        Index("uq_host_command_step", "operation_id", "step", "generation", "attempt", unique=True),
    )
