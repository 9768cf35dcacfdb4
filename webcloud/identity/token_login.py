"""Turning a proof of identity into an API token.

A password, an earlier token or an application credential proves who one is;
a scope names the project.  Whatever is wrong, the answer is the same 401.
A token got with another one ends with it; one got with an application
credential cannot be turned into anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from webcloud.db import Database
from webcloud.errors import BadRequest, Unauthorized
from webcloud.identity import audit_trail, credentials, login, queries, tokens
from webcloud.identity.models import ApplicationCredential, Project, User
from webcloud.identity.rate_limit import address_key, name_key
from webcloud.identity.token_forms import Auth, CredentialRef, DomainRef, ProjectRef, UserRef


@dataclass(frozen=True)
class Proof:
    """Who has proved who they are, how, and what that limits."""

    user: User
    methods: list[str]
    not_after: datetime | None = None
    credential: ApplicationCredential | None = None


def log_in(database: Database, auth: Auth, *, hours: int) -> str:
    """The secret of a new token.

    Raises Unauthorized, RateLimited, or BadRequest for a malformed request.
    """
    proof = _prove(database, auth)
    with database.transaction() as session:
        project_id = _scope(session, auth, proof)
        secret = tokens.issue(
            session,
            user_id=proof.user.id,
            project_id=project_id,
            methods=proof.methods,
            hours=hours,
            not_after=proof.not_after,
            application_credential_id=proof.credential.id if proof.credential else None,
        )
        audit_trail.record_login(session, proof.user, proof.methods[0], project_id=project_id)
    return secret


def _prove(database: Database, auth: Auth) -> Proof:
    identity = auth.identity
    method = identity.methods[0]
    if method == "password" and identity.password is not None:
        user = identity.password.user
        if not user.id and not user.name:
            raise BadRequest("A user needs an id or a name.", field="auth.identity.password.user")
        # A user of another domain is nobody, but hashed and counted like anybody.
        name = user.name or "" if _is_ours(user.domain) and not user.id else ""
        found = login.with_password(database, user.password, name=name, user_id=user.id or "")
        return Proof(found, ["password"])
    if method == "token" and identity.token is not None:
        return _by_token(database, identity.token.id)
    if method == "application_credential" and identity.application_credential is not None:
        return _by_credential(database, identity.application_credential)
    raise BadRequest(f"auth.identity.{method} is missing.", field=f"auth.identity.{method}")


def _by_token(database: Database, secret: str) -> Proof:
    with database.reading() as session:
        valid = tokens.find(session, secret)
    if valid is None or valid.token.application_credential_id is not None:
        raise login.refused()
    methods = ["token", *(one for one in valid.token.methods if one != "token")]
    return Proof(valid.user, methods, not_after=valid.token.expires_at)


def _by_credential(database: Database, ref: CredentialRef) -> Proof:
    counted = login.attempts()
    owner = (ref.user.id or ref.user.name or "") if ref.user else ""
    keys = name_key(ref.id or f"{owner}/{ref.name}"), address_key(request.remote_addr)
    counted.check(*keys)
    with database.reading() as session:
        credential = _credential(session, ref)
        fits = credentials.secret_fits(credential, ref.secret)
        user = session.get(User, credential.user_id) if credential else None
    if credential is None or not fits or user is None or not user.enabled:
        counted.failed(*keys)
        raise login.refused()
    if tokens.is_over(credential):
        raise login.refused()
    return Proof(
        user, ["application_credential"], not_after=credential.expires_at, credential=credential
    )


def _credential(session: Session, ref: CredentialRef) -> ApplicationCredential | None:
    if ref.id:
        return session.get(ApplicationCredential, ref.id)
    user = _user(session, ref.user)
    return credentials.named(session, user.id, ref.name) if user and ref.name else None


def _user(session: Session, ref: UserRef | None) -> User | None:
    if ref is None or not _is_ours(ref.domain):
        return None
    if ref.id:
        return session.get(User, ref.id)
    return queries.user_named(session, ref.name) if ref.name else None


def _scope(session: Session, auth: Auth, proof: Proof) -> str | None:
    """The project asked for, in which the user has a role; None for an unscoped token."""
    if proof.credential is not None:
        if auth.scope is not None:
            raise BadRequest(
                "An application credential has its own project; leave the scope out.",
                field="auth.scope",
            )
        project = session.get(Project, proof.credential.project_id)
    elif auth.scope == "unscoped":
        return None
    elif auth.scope is None:
        preferred = proof.user.default_project_id
        if preferred and queries.roles_of(session, proof.user.id, preferred):
            return preferred
        return None
    else:
        project = _project(session, auth.scope.project)
    if project is None or not queries.roles_of(session, proof.user.id, project.id):
        raise Unauthorized(
            "There is no such project, or you have no role in it.",
            next_step="See which you have with GET /identity/v3/auth/projects.",
        )
    return project.id


def _project(session: Session, ref: ProjectRef) -> Project | None:
    if not _is_ours(ref.domain):
        return None
    if ref.id:
        return session.get(Project, ref.id)
    return queries.project_named(session, ref.name) if ref.name else None


def _is_ours(domain: DomainRef | None) -> bool:
    """There is one domain; leaving it out means that one."""
    if domain is None:
        return True
    if domain.id is not None:
        return domain.id == queries.DOMAIN_ID
    return (domain.name or "").casefold() == queries.DOMAIN_NAME.casefold()
