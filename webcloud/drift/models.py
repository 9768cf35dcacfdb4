"""The newest survey of each host, and the differences that it shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class HostSurvey(Base):
    """What is on a host, as it said last.

    The host was like this at ``taken_at`` (our clock, a moment early rather
    than late).  ``compare_again`` is set while something could not be judged
    yet; ``doubts`` are differences that must be seen twice to count.
    """

    __tablename__ = "host_survey"

    host_id: Mapped[str] = mapped_column(
        ForeignKey("host.id", ondelete="CASCADE"), primary_key=True
    )
    run_id: Mapped[str] = mapped_column(String(64))
    sequence: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    survey: Mapped[dict[str, Any]] = mapped_column(JSON)
    taken_at: Mapped[datetime] = mapped_column()
    compare_again: Mapped[bool] = mapped_column(default=False)
    doubts: Mapped[list[str]] = mapped_column(JSON, default=list)


class Difference(Base):
    """One violated invariant; ``host_id`` None when it is within the database.

    ``kind`` is stable and says what can be done; ``subject`` is what it is
    about; ``said`` the words with their values.  ``instance_id`` and
    ``project_id`` are those of the instance that it touches, if any.
    ``healed_at`` is when webcloud last began to put it right.
    """

    __tablename__ = "drift"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    host_id: Mapped[str | None] = mapped_column(
        ForeignKey("host.id", ondelete="CASCADE"), index=True
    )
    invariant: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(255))
    said: Mapped[dict[str, Any]] = mapped_column(JSON)
    instance_id: Mapped[str | None] = mapped_column(Id, index=True)
    project_id: Mapped[str | None] = mapped_column(Id)
    first_seen_at: Mapped[datetime] = mapped_column()
    last_seen_at: Mapped[datetime] = mapped_column()
    healed_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (Index("ix_drift_first_seen_at", "first_seen_at"),)
