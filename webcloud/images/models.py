"""Images: what a root disk is made from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class Image(Base):
    """One image. Its bytes, once active, are the file named by its id in the store.

    ``status``: queued (no bytes yet), saving (upload under way), importing,
    active, killed (bytes refused or import failed; ``fault`` says why),
    deleted.  ``received`` counts the bytes of an unfinished upload or import;
    ``expected_size`` is what the sender promised, when known.
    """

    __tablename__ = "image"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[str] = mapped_column(Id)
    visibility: Mapped[str] = mapped_column(String(16), default="private")  # private | public
    status: Mapped[str] = mapped_column(String(16), default="queued")
    stage: Mapped[str] = mapped_column(String(16), default="")  # receive, verify, store
    fault: Mapped[str] = mapped_column(Text, default="")
    disk_format: Mapped[str | None] = mapped_column(String(16))  # raw, qcow2, iso
    container_format: Mapped[str | None] = mapped_column(String(16))
    size: Mapped[int | None] = mapped_column(BigInteger)
    virtual_size: Mapped[int | None] = mapped_column(BigInteger)
    expected_size: Mapped[int | None] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    sha256: Mapped[str | None] = mapped_column(String(64))
    sha512: Mapped[str | None] = mapped_column(String(128))
    min_disk_gb: Mapped[int] = mapped_column(Integer, default=0)
    min_memory_mb: Mapped[int] = mapped_column(Integer, default=0)
    properties: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    source_url: Mapped[str] = mapped_column(Text, default="")
    protected: Mapped[bool] = mapped_column(default=False)
    hidden: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column()
    updated_at: Mapped[datetime] = mapped_column()
    deleted_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (
        Index("ix_image_project", "project_id", "status"),
        Index("ix_image_visibility", "visibility", "status"),
    )
