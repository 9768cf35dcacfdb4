"""Application credentials: a script's secret, never stronger than its maker.

It works in one project with at most the roles its maker has there at the
time of use; the secret is shown once.  A token got with a restricted one can
neither make, read nor delete credentials.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.db import new_id, now
from webcloud.errors import BadRequest, Conflict, Forbidden, NotFound
from webcloud.identity.audit_trail import record
from webcloud.identity.callers import Caller
from webcloud.identity.models import ApplicationCredential
from webcloud.identity.permissions import IMPLIED, expand
from webcloud.identity.secret_hash import LONGEST, hash_secret, new_secret
from webcloud.words import say

SHORTEST_SECRET = 32


def create(
    session: Session,
    caller: Caller,
    *,
    name: str,
    description: str = "",
    roles: Sequence[str] = (),
    expires_at: datetime | None = None,
    unrestricted: bool = False,
    secret: str | None = None,
) -> tuple[ApplicationCredential, str]:
    """A credential in the caller's project, with its secret; no roles named means all of them.

    Raises Forbidden for a restricted caller, BadRequest for roles the caller
    has not or an end that has passed, Conflict for a taken name.
    """
    refuse_restricted(caller)
    wanted = expand(frozenset(roles)) if roles else caller.roles
    unknown = [role for role in roles if role not in IMPLIED]
    if unknown or not wanted <= caller.roles:
        raise BadRequest(
            "A credential cannot have roles that you do not have in this project.",
            field="application_credential.roles",
        )
    if expires_at is not None and expires_at <= now():
        raise BadRequest("The end has passed already.", field="application_credential.expires_at")
    if secret is not None and not SHORTEST_SECRET <= len(secret) <= LONGEST:
        raise BadRequest(
            say(
                "A secret of your own needs {shortest} to {longest} characters.",
                shortest=SHORTEST_SECRET,
                longest=LONGEST,
            ),
            field="application_credential.secret",
            next_step="Leave it out and a strong one is made for you.",
        )
    if named(session, caller.user_id, name) is not None:
        raise Conflict(say("You already have an application credential called {name}.", name=name))
    shown = secret or new_secret()
    credential = ApplicationCredential(
        id=new_id(),
        name=name,
        description=description,
        secret_hash=hash_secret(shown),
        user_id=caller.user_id,
        project_id=caller.project_id,
        roles=sorted(wanted),
        unrestricted=unrestricted,
        expires_at=expires_at,
        created_at=now(),
    )
    session.add(credential)
    session.flush()
    record(session, caller, "application_credential.create", credential)
    return credential, shown


def delete(session: Session, caller: Caller, credential: ApplicationCredential) -> None:
    """Its tokens stop with it."""
    refuse_restricted(caller)
    record(session, caller, "application_credential.delete", credential)
    session.delete(credential)


def of_user(
    session: Session, user_id: str, name: str | None = None
) -> Sequence[ApplicationCredential]:
    """A user's credentials, by name."""
    query = (
        select(ApplicationCredential)
        .where(ApplicationCredential.user_id == user_id)
        .order_by(ApplicationCredential.name)
    )
    if name is not None:
        query = query.where(ApplicationCredential.name == name)
    return session.scalars(query).all()


def named(session: Session, user_id: str, name: str) -> ApplicationCredential | None:
    return next(iter(of_user(session, user_id, name)), None)


def get(session: Session, user_id: str, credential_id: str) -> ApplicationCredential:
    """One of the user's credentials; raises NotFound, also for somebody else's."""
    found = session.get(ApplicationCredential, credential_id)
    if found is None or found.user_id != user_id:
        raise NotFound(
            say("There is no application credential {credential_id}.", credential_id=credential_id)
        )
    return found


def secret_fits(credential: ApplicationCredential | None, secret: str) -> bool:
    """Whether the secret is the credential's; as long for no credential at all."""
    stored = credential.secret_hash if credential else "0" * 64
    return hmac.compare_digest(stored, hash_secret(secret)) and credential is not None


def refuse_restricted(caller: Caller) -> None:
    """Raises Forbidden for a token got with a restricted application credential."""
    if caller.restricted:
        raise Forbidden(
            "A restricted application credential cannot handle credentials.",
            next_step="Log in with your password.",
        )
