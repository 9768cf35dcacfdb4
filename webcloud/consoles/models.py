"""Console tokens: the right to open one instance's console once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class ConsoleToken(Base):
    """By hash; good for 60 seconds and one use, for one boot of one instance.

    ``session_hash`` is the browser session it is bound to, or None for a
    token asked for through the API.
    """

    __tablename__ = "console_token"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    instance_id: Mapped[str] = mapped_column(ForeignKey("instance.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(Id)
    session_hash: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))  # vnc, spice, serial
    boot: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None] = mapped_column()
