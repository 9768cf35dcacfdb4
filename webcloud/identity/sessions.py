"""Browser sessions: a random cookie whose hash is a row.

An id is made at login and again whenever the session's project changes; it
dies at logout, at its absolute end, when the password changes or the user is
disabled.  Anonymous visitors get no row and no such cookie.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Response, current_app, request
from sqlalchemy import delete
from sqlalchemy.orm import Session

from webcloud.db import now
from webcloud.errors import Forbidden
from webcloud.identity import lifetimes, queries
from webcloud.identity.callers import Caller
from webcloud.identity.models import BrowserSession, User
from webcloud.identity.secret_hash import LONGEST, hash_secret, new_secret
from webcloud.words import say

COOKIE = "webcloud_session"


def cookie_name() -> str:
    """The cookie's name: with ``__Host-`` where the cloud is served over https."""
    return f"__Host-{COOKIE}" if current_app.config["SESSION_COOKIE_SECURE"] else COOKIE


def presented() -> str | None:
    """The cookie this request carries, if it can be one of ours."""
    value = request.cookies.get(cookie_name())
    return value if value and len(value) <= LONGEST else None


def start(session: Session, user: User, hours: int) -> str:
    """A new session in the user's home project; returns the cookie's value.

    Raises Forbidden for a user who is in no project.
    """
    project = queries.home_project(session, user)
    if project is None:
        raise Forbidden(
            say("The user {name} has a role in no project.", name=user.name),
            next_step="Ask an operator of this cloud to add you to one.",
        )
    secret = new_secret()
    session.add(
        BrowserSession(
            session_hash=hash_secret(secret),
            user_id=user.id,
            project_id=project.id,
            created_at=now(),
            expires_at=now() + timedelta(hours=hours),
        )
    )
    return secret


def move(session: Session, session_hash: str, project_id: str) -> str | None:
    """Replace a session by one in another project, ending when the old one would have."""
    old = session.get(BrowserSession, session_hash)
    if old is None:
        return None
    secret = new_secret()
    session.add(
        BrowserSession(
            session_hash=hash_secret(secret),
            user_id=old.user_id,
            project_id=project_id,
            created_at=old.created_at,
            expires_at=old.expires_at,
        )
    )
    session.delete(old)
    return secret


def end(session: Session, session_hash: str) -> None:
    session.execute(delete(BrowserSession).where(BrowserSession.session_hash == session_hash))


def end_all(session: Session, user_id: str) -> None:
    session.execute(delete(BrowserSession).where(BrowserSession.user_id == user_id))


def caller_of(session: Session, cookie: str, request_id: str) -> Caller | None:
    """Who the cookie stands for, from rows; None when it stands for nobody any more."""
    found = session.get(BrowserSession, hash_secret(cookie))
    if found is None or found.expires_at <= now():
        return None
    if lifetimes.is_of_the_future(found.created_at, now()):
        return None
    user = session.get(User, found.user_id)
    if user is None or not user.enabled:
        return None
    mine = {project.id: project for project in queries.projects_of(session, user.id)}
    # A role taken away must not lock a person out of the projects that are left.
    project = mine.get(found.project_id) or next(iter(mine.values()), None)
    return Caller(
        user_id=user.id,
        user_name=user.name,
        project_id=project.id if project else "",
        project_name=project.name if project else "",
        roles=queries.roles_of(session, user.id, project.id) if project else frozenset(),
        request_id=request_id,
        session_hash=found.session_hash,
        language=user.language,
        theme=user.theme,
    )


def set_cookie(response: Response, secret: str, hours: int) -> None:
    """Hand the browser its session."""
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=hours * 3600,
        path="/",
        httponly=True,
        # Strict would log people out of every link in a mail or a chat.
        samesite="Lax",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
    )


def clear_cookie(response: Response) -> None:
    response.delete_cookie(
        cookie_name(),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
    )
