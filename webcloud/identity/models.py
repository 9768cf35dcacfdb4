"""Users, projects, roles, quotas and every kind of credential.

Secrets are stored as hashes only: passwords with argon2, random tokens with
SHA-256 (they carry at least 256 bits of entropy, so no salt is needed).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class User(Base):
    """A person or a script. ``language`` and ``theme`` are empty until chosen."""

    __tablename__ = "user"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    email: Mapped[str] = mapped_column(String(255), default="")
    password_hash: Mapped[str | None] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    language: Mapped[str] = mapped_column(String(8), default="")
    theme: Mapped[str] = mapped_column(String(8), default="")
    default_project_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column()


class Project(Base):
    """What owns resources and has quotas."""

    __tablename__ = "project"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(String(255), default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column()


class RoleAssignment(Base):
    """``role`` is admin (operates the cloud), member or reader."""

    __tablename__ = "role_assignment"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), primary_key=True
    )
    project_id: Mapped[str] = mapped_column(
        ForeignKey("project.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(String(16), primary_key=True)


class Token(Base):
    """An API token, by hash. ``project_id`` is None for an unscoped one."""

    __tablename__ = "token"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    application_credential_id: Mapped[str | None] = mapped_column(
        ForeignKey("application_credential.id", ondelete="CASCADE")
    )
    methods: Mapped[list[str]] = mapped_column(JSON, default=list)
    audit_id: Mapped[str] = mapped_column(String(32))
    issued_at: Mapped[datetime] = mapped_column()
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApplicationCredential(Base):
    """A secret for a script, with at most its creator's roles in one project."""

    __tablename__ = "application_credential"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(255), default="")
    secret_hash: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    roles: Mapped[list[str]] = mapped_column(JSON, default=list)
    unrestricted: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column()

    __table_args__ = (
        Index("uq_application_credential_user_id_name", "user_id", "name", unique=True),
    )


class BrowserSession(Base):
    """A logged-in browser, by the hash of its cookie."""

    __tablename__ = "browser_session"

    session_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column()
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LoginLink(Base):
    """A one-time way in, by hash; good once, for minutes."""

    __tablename__ = "login_link"

    link_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column()
    used_at: Mapped[datetime | None] = mapped_column()


class QuotaLimit(Base):
    """A limit set for one project; the defaults are in ``identity.quotas``. -1 = no limit."""

    __tablename__ = "quota_limit"

    project_id: Mapped[str] = mapped_column(
        ForeignKey("project.id", ondelete="CASCADE"), primary_key=True
    )
    resource: Mapped[str] = mapped_column(String(32), primary_key=True)
    maximum: Mapped[int] = mapped_column(Integer)


class QuotaUsage(Base):
    """What a project has claimed; changed only by conditional UPDATE."""

    __tablename__ = "quota_usage"

    project_id: Mapped[str] = mapped_column(
        ForeignKey("project.id", ondelete="CASCADE"), primary_key=True
    )
    resource: Mapped[str] = mapped_column(String(32), primary_key=True)
    used: Mapped[int] = mapped_column(Integer, default=0)


class Setting(Base):
    """Small installation-wide values, such as the cookie-signing key."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
