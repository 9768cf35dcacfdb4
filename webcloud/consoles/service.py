"""Makes and redeems console tokens; see the package's docstring for the rules.

``open_console`` needs the permission ``consoles:open``, which the routes ask
for.  Redeeming is one conditional UPDATE, so of two uses at once one fails.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from webcloud.consoles.models import ConsoleToken
from webcloud.db import CLOCKS_APART, Database, now
from webcloud.errors import BadRequest, Conflict, Forbidden
from webcloud.identity import queries as identity
from webcloud.identity.audit_trail import record
from webcloud.identity.callers import Caller
from webcloud.identity.models import User
from webcloud.identity.secret_hash import hash_secret, new_secret
from webcloud.instances.models import Instance
from webcloud.words import say

KINDS = ("vnc", "serial")
LIFETIME = timedelta(seconds=60)
KEPT = timedelta(hours=1)
TOKEN_LENGTH = 43


class TokenRefused(Forbidden):
    """The token opens nothing; ``reason`` is a word the console page knows."""

    code = "token_refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, next_step="Open the console again.")
        self.reason = reason


class NotRunning(Conflict):
    """The instance has no console now, because it does not run."""

    code = "not_running"


def check_running(instance: Instance) -> None:
    """Raises NotRunning, with what to do about it."""
    if instance.observed_power == "unknown":
        raise NotRunning(
            say("The host of instance {name} is not heard from.", name=instance.name),
            next_step="Its console opens again when the host is back.",
        )
    if instance.observed_power != "running":
        raise NotRunning(
            say("Instance {name} is not running, so it has no console.", name=instance.name),
            next_step="Start it first.",
        )


def open_console(session: Session, caller: Caller, instance: Instance, kind: str) -> str:
    """A fresh token for the caller, to be used once within 60 seconds.

    The caller must be allowed to see the instance.  Raises BadRequest for a
    kind it does not have, NotRunning when it has no console now.
    """
    if kind not in KINDS:
        raise BadRequest(
            say("Instance {name} has no {kind} console.", name=instance.name, kind=kind[:16]),
            field="kind",
            next_step="It has a vnc and a serial console.",
        )
    check_running(instance)
    token = new_secret()
    session.add(
        ConsoleToken(
            token_hash=hash_secret(token),
            instance_id=instance.id,
            user_id=caller.user_id,
            session_hash=caller.session_hash,
            kind=kind,
            boot=instance.boot,
            expires_at=now() + LIFETIME,
        )
    )
    record(session, caller, "console.open", instance, project_id=instance.project_id, kind=kind)
    return token


def redeem(session: Session, token: str, kind: str, caller: Caller | None) -> ConsoleToken:
    """Spend the token; the row says what may be connected to.

    ``caller`` is whose browser presents it, if it is anybody's.  Raises
    TokenRefused when it is unknown, used, too old, of another kind or
    session, or when its user, instance or boot is gone.
    """
    row = session.get(ConsoleToken, hash_secret(token)) if len(token) == TOKEN_LENGTH else None
    if row is None:
        raise TokenRefused("token_unknown", "This console link is not a valid one.")
    spent = session.execute(
        update(ConsoleToken)
        .where(ConsoleToken.token_hash == row.token_hash, ConsoleToken.used_at.is_(None))
        .values(used_at=now())
        .execution_options(synchronize_session=False)
    )
    if spent.rowcount != 1:  # type: ignore[attr-defined]
        raise TokenRefused("token_used", "This console link has been used already.")
    _check_bound(session, row, kind, caller)
    return row


def _check_bound(session: Session, row: ConsoleToken, kind: str, caller: Caller | None) -> None:
    # One that lives longer than any was made before the clock jumped back.
    if not now() < row.expires_at <= now() + LIFETIME + CLOCKS_APART:
        raise TokenRefused("token_expired", "This console link is over a minute old.")
    if row.kind != kind:
        raise TokenRefused("token_unknown", "This console link is for another kind of console.")
    if row.session_hash is not None and (caller is None or caller.session_hash != row.session_hash):
        raise TokenRefused("token_session", "This console link was made in another browser.")
    user = session.get(User, row.user_id)
    if user is None or not user.enabled:
        raise TokenRefused("token_session", "The user who made this link may not use it now.")
    instance = session.scalar(
        select(Instance).where(Instance.id == row.instance_id, Instance.deleted_at.is_(None))
    )
    if instance is None:
        raise TokenRefused("deleted", "The instance has been deleted.")
    if not _may_still(session, row.user_id, instance):
        raise TokenRefused("token_session", "The user who made this link may not use it now.")
    if instance.boot != row.boot:
        raise TokenRefused("wrong_boot", "The instance has been started again since.")


def forget(session: Session, instance_id: str) -> None:
    """Remove every token of an instance that is deleted."""
    session.execute(delete(ConsoleToken).where(ConsoleToken.instance_id == instance_id))


def _may_still(session: Session, user_id: str, instance: Instance) -> bool:
    """Whether the user is a member where the instance is, or operates the cloud."""
    if "member" in identity.roles_of(session, user_id, instance.project_id):
        return True
    return any(
        "admin" in identity.roles_of(session, user_id, project.id)
        for project in identity.projects_of(session, user_id)
    )


def sweep(database: Database) -> None:
    """Remove tokens that stopped working over an hour ago."""
    with database.transaction() as session:
        session.execute(delete(ConsoleToken).where(ConsoleToken.expires_at < now() - KEPT))
