"""API tokens: opaque, stored by hash, with an absolute end.

A token got with another token ends when the first would have.  One got with
an application credential carries at most the credential's roles and stays in
its project.  Nothing is cached: a disabled user, project or role, or a
deleted credential, stops the token at its next use.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, select
from sqlalchemy.orm import Session

from webcloud.db import now
from webcloud.identity import lifetimes
from webcloud.identity.callers import Caller
from webcloud.identity.models import ApplicationCredential, Project, RoleAssignment, Token, User
from webcloud.identity.permissions import expand
from webcloud.identity.secret_hash import LONGEST, hash_secret, new_secret


@dataclass(frozen=True)
class Valid:
    """A token that is good now, and what it stands for."""

    token: Token
    user: User
    project: Project | None
    roles: frozenset[str]
    credential: ApplicationCredential | None = None

    @property
    def restricted(self) -> bool:
        """Got with an application credential that may not handle credentials."""
        return self.credential is not None and not self.credential.unrestricted


def issue(
    session: Session,
    *,
    user_id: str,
    project_id: str | None,
    methods: list[str],
    hours: int,
    not_after: datetime | None = None,
    application_credential_id: str | None = None,
) -> str:
    """Store a new token and return its secret, which is kept nowhere."""
    secret = new_secret()
    issued = now()
    expires = issued + timedelta(hours=hours)
    session.add(
        Token(
            token_hash=hash_secret(secret),
            user_id=user_id,
            project_id=project_id,
            application_credential_id=application_credential_id,
            methods=methods,
            audit_id=secrets.token_urlsafe(16),
            issued_at=issued,
            expires_at=min(expires, not_after) if not_after else expires,
        )
    )
    session.flush()
    return secret


def find(session: Session, secret: str) -> Valid | None:
    """What the token stands for, from rows; None when it is not (any more) good."""
    if not secret or len(secret) > LONGEST:
        return None
    found = session.execute(
        select(Token, User, Project, RoleAssignment.role)
        .join(User, User.id == Token.user_id)
        .outerjoin(Project, Project.id == Token.project_id)
        .outerjoin(
            RoleAssignment,
            and_(RoleAssignment.user_id == User.id, RoleAssignment.project_id == Project.id),
        )
        .where(Token.token_hash == hash_secret(secret))
    ).all()
    if not found:
        return None
    token, user, project, _ = found[0]
    if token.expires_at <= now() or not user.enabled:
        return None
    if lifetimes.is_of_the_future(token.issued_at, now()):
        return None
    if token.project_id is None:
        return Valid(token, user, None, frozenset())
    if project is None or not project.enabled:
        return None
    roles = expand(frozenset(row.role for row in found if row.role is not None))
    credential = None
    if token.application_credential_id is not None:
        credential = session.get(ApplicationCredential, token.application_credential_id)
        if credential is None or is_over(credential):
            return None
        roles &= expand(frozenset(credential.roles))
    if not roles:
        return None
    return Valid(token, user, project, roles, credential)


def is_over(credential: ApplicationCredential) -> bool:
    return credential.expires_at is not None and credential.expires_at <= now()


def caller_of(session: Session, secret: str, request_id: str) -> Caller | None:
    """The caller a token stands for."""
    valid = find(session, secret)
    if valid is None:
        return None
    return Caller(
        user_id=valid.user.id,
        user_name=valid.user.name,
        project_id=valid.project.id if valid.project else "",
        project_name=valid.project.name if valid.project else "",
        roles=valid.roles,
        request_id=request_id,
        token_hash=valid.token.token_hash,
        restricted=valid.restricted,
    )


def revoke(session: Session, token_hash: str) -> None:
    session.execute(delete(Token).where(Token.token_hash == token_hash))


def revoke_all(session: Session, user_id: str) -> None:
    session.execute(delete(Token).where(Token.user_id == user_id))
