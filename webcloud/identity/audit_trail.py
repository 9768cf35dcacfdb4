"""Entries in the audit log about what somebody did.

Who did it, in which project and in which request come from the caller alone,
so no deed is entered without its doer.  ``detail`` must hold no secret.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from flask import request
from sqlalchemy.orm import Session

from webcloud.audit import service as audit
from webcloud.identity.callers import Caller
from webcloud.identity.models import User
from webcloud.live import publish
from webcloud.web import request_id

THE_CALLERS = ""


class Named(Protocol):
    """A row with an id and a name: a user, a host, an image, an instance."""

    __tablename__: Any

    @property
    def id(self) -> Any: ...

    @property
    def name(self) -> Any: ...


class Owned(Named, Protocol):
    """Such a row of a project: an image, an instance."""

    @property
    def project_id(self) -> Any: ...


class Subject(NamedTuple):
    """What a deed was done to, where that is no row with an id and a name of its own."""

    type: str
    id: str
    name: str = ""


def record(
    session: Session,
    caller: Caller,
    action: str,
    subject: Named | Subject,
    *,
    project_id: str | None = THE_CALLERS,
    operation_id: str | None = None,
    **detail: Any,
) -> None:
    """One deed, within the caller's project, another one or (None) none."""
    if not isinstance(subject, Subject):
        subject = Subject(subject.__tablename__, subject.id, subject.name)
    if project_id == THE_CALLERS:
        project_id = caller.project_id or None
    audit.record(
        session,
        actor=caller.user_name,
        action=action,
        subject_type=subject.type,
        subject_id=subject.id,
        subject_name=subject.name,
        project_id=project_id,
        user_id=caller.user_id or None,
        request_id=caller.request_id,
        operation_id=operation_id,
        detail=detail,
    )


def record_change(
    session: Session,
    caller: Caller,
    action: str,
    subject: Owned,
    operation_id: str | None = None,
    **detail: Any,
) -> None:
    """A deed on what a project owns and pages show: its entry, and the hint to look again."""
    record(
        session,
        caller,
        action,
        subject,
        project_id=subject.project_id,
        operation_id=operation_id,
        **detail,
    )
    publish.changed(session, subject.__tablename__, subject.id, subject.project_id)


def record_login(
    session: Session, user: User, method: str, *, project_id: str | None = None
) -> None:
    """A login by the web request being served, which has no caller yet."""
    caller = Caller(user.id, user.name, "", "", request_id=request_id())
    address = request.remote_addr or ""
    record(
        session,
        caller,
        "user.login",
        user,
        project_id=project_id,
        method=method,
        address=address,
    )
