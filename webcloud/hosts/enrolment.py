"""Join tokens and host credentials: made once, stored as hashes, revocable."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webcloud.audit import service as audit
from webcloud.db import CLOCKS_APART, new_id, now
from webcloud.errors import BadRequest, Conflict, Unauthorized, WebcloudError
from webcloud.hosts import audit_trail, events, versions
from webcloud.hosts.models import Host, JoinToken
from webcloud.live import publish
from webcloud.words import say

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*")
TOKEN_LIFETIME = timedelta(hours=1)


class JoinRefused(Unauthorized):
    """The join token enrols nobody; ``reason`` is unknown, used or expired."""

    code = "join_refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, next_step="Make a new one with `webcloud host add NAME`.")
        self.reason = reason


def make_join_token(session: Session, host_name: str) -> str:
    """The right to enrol (or enrol anew) one host under this name, for an hour.

    Joining again under the same name replaces the credential, which is how a
    host that lost its own comes back.  Raises BadRequest for a name that
    cannot be one.
    """
    check_name(host_name)
    token = secrets.token_urlsafe(32)
    created = now()
    session.add(
        JoinToken(
            token_hash=_hash(token),
            host_name=host_name,
            created_at=created,
            expires_at=created + TOKEN_LIFETIME,
        )
    )
    return token


def check_name(name: str) -> None:
    """Raises BadRequest unless it can be a host's name: as in DNS, so that commands can name it."""
    if not HOST_NAME.fullmatch(name) or len(name) > 253:
        raise BadRequest(
            say("{name!r} cannot be a host's name.", name=name[:80]),
            field="name",
            next_step="Use letters, digits, hyphens and dots, such as n2 or n2.example.org.",
        )


def join(session: Session, token: str, host_uuid: str, wire_version: int) -> tuple[Host, str]:
    """Redeem a join token. Returns the host and its secret, which is never shown again.

    An agent that was killed before it could keep its secret asks again: the
    same machine may redeem the token anew until it has spoken as that host.
    Raises JoinRefused for a token that is unknown, used or expired, Conflict
    when another machine has the name, and AgentTooOld or AgentTooNew for an
    agent that cannot be spoken with.
    """
    used = session.execute(
        update(JoinToken)
        .where(
            JoinToken.token_hash == _hash(token),
            JoinToken.used_at.is_(None),
            JoinToken.expires_at > now(),
            # One that lives longer than any was made before the clock jumped back.
            JoinToken.expires_at <= now() + TOKEN_LIFETIME + CLOCKS_APART,
        )
        .values(used_at=now())
    )
    first = used.rowcount == 1  # type: ignore[attr-defined]
    if not first and not _answer_was_lost(session, token, host_uuid):
        raise _refusal(session, token)
    row = session.get_one(JoinToken, _hash(token))
    problem = versions.problem(row.host_name, wire_version)
    if problem is not None:
        raise problem
    secret = secrets.token_urlsafe(32)
    host, event = session.scalar(select(Host).where(Host.name == row.host_name)), "rejoined"
    if host is None:
        host, event = Host(id=new_id(), name=row.host_name, joined_at=now()), "joined"
        session.add(host)
    elif host.host_uuid != host_uuid:
        raise Conflict(
            say("A different machine is enrolled as {name!r}.", name=host.name),
            next_step="Remove that host first, or choose another name.",
        )
    host.host_uuid = host_uuid
    host.credential_hash = _hash(secret)
    # It stays closed, for it may hold what was deleted while nothing there was waited for.
    host.given_up_at = None
    host.wire_version = wire_version
    session.flush()
    events.record(session, host, event)
    audit_trail.record(session, host, "host.join")
    publish.changed(session, "host", host.id, None)
    return host, secret


def note_refused(
    session: Session, error: WebcloudError, token: str, name: str, address: str
) -> None:
    """Audit a join that was refused; the token itself is never written."""
    row = session.get(JoinToken, _hash(token))
    meant = name if row is None else row.host_name
    reason = error.reason if isinstance(error, JoinRefused) else error.code
    audit.record(
        session,
        actor="stranger",
        action="host.join_refused",
        subject_type="host",
        subject_id=meant[:64],
        subject_name=meant,
        detail={"reason": reason, "address": address[:64], "claims": name},
    )


def _refusal(session: Session, token: str) -> JoinRefused:
    """Why the token is no good, to whoever holds it."""
    row = session.get(JoinToken, _hash(token))
    if row is None:
        return JoinRefused("unknown", "The join token is unknown.")
    if row.used_at is not None:
        return JoinRefused("used", "The join token has been used already.")
    return JoinRefused("expired", "The join token has expired; it was good for an hour.")


def _answer_was_lost(session: Session, token: str, host_uuid: str) -> bool:
    """Whether this machine used the token, and has not been heard with its secret since."""
    row = session.get(JoinToken, _hash(token))
    if row is None or row.used_at is None or row.expires_at <= now():
        return False
    host = session.scalar(select(Host).where(Host.name == row.host_name))
    if host is None or host.host_uuid != host_uuid:
        return False
    return host.last_seen_at is None or host.last_seen_at < row.used_at


def authenticate(session: Session, host_id: str, secret: str) -> Host:
    """The host with this credential. Raises Unauthorized."""
    host = session.get(Host, host_id)
    known = host.credential_hash if host is not None else _hash("")
    if not hmac.compare_digest(known, _hash(secret)) or host is None:
        raise Unauthorized("The host credential is wrong or has been revoked.")
    return host


def revoke(session: Session, host: Host) -> None:
    """End the host's credential at once; only a new join token brings the host back.

    What is under way there waits for that, unless the host is given up.
    """
    host.credential_hash = ""


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
