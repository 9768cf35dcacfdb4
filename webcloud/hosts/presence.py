"""Whether a host is there: from its credential on connect, and from when it last spoke."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlalchemy.orm import Session

from webcloud import web
from webcloud.db import Database, now
from webcloud.errors import Unauthorized
from webcloud.hosts import enrolment, hearing
from webcloud.hosts.models import Host

# A host that has said nothing for this long is silent. With the timer that notices it
# (silence.EVERY_SECONDS) that is shown within 15 seconds.
SILENT_AFTER = timedelta(seconds=12)
_UNHEARD = select(Host.id).where(
    Host.last_seen_at < bindparam("before"), Host.silent_since.is_(None)
)
_listening_since = now()


def host_of(auth: Any) -> str | None:
    """The host id behind a Socket.IO connection's credential, or None to refuse it."""
    if not isinstance(auth, dict):
        return None
    host_id, secret = auth.get("host_id"), auth.get("secret")
    if not isinstance(host_id, str) or not isinstance(secret, str):
        return None
    with web.database().reading() as session:
        try:
            return enrolment.authenticate(session, host_id, secret).id
        except Unauthorized:
            return None


def heard(database: Database, host_id: str) -> None:
    """The host has just spoken, by whatever means; its row says so a moment later."""
    hearing.of(database).heard(database, host_id)


def note(database: Database, host_id: str) -> None:
    """The host has just spoken although its row says that it is not there: written now."""
    hearing.of(database).heard_anew(database, host_id)


def listen_anew() -> None:
    """What was not heard until now proves nothing: this process was not listening."""
    global _listening_since
    _listening_since = now()


def clock_jumped(database: Database, seconds: float) -> None:
    """Whoever was heard recently by the old time has been heard now."""
    listen_anew()
    hearing.of(database).forget()
    moment = now()
    before = moment - timedelta(seconds=seconds)
    with database.transaction() as session:
        session.execute(
            update(Host)
            .where(Host.last_seen_at > before - SILENT_AFTER, Host.last_seen_at <= before)
            .values(last_seen_at=moment)
        )


def unheard(session: Session) -> list[str]:
    """Ids of the hosts newly silent; none before we have listened for so long."""
    before = heard_since()
    if _listening_since > before:
        return []
    return list(session.scalars(_UNHEARD, {"before": before}))


def is_stale(host: Host) -> bool:
    """Whether the row says that a host which speaks just now is not there."""
    return host.silent_since is not None or not is_heard(host)


def is_heard(host: Host) -> bool:
    """Whether the host has spoken recently."""
    return host.last_seen_at is not None and abs(now() - host.last_seen_at) < SILENT_AFTER


def is_alive(host: Host) -> bool:
    """Whether the host can be given work: it is heard, and nobody has said that it is down."""
    return not host.forced_down and is_heard(host)


def heard_since() -> datetime:
    """Whoever was heard after that is not silent."""
    return now() - SILENT_AFTER


def alive(since: ColumnElement[Any]) -> ColumnElement[bool]:
    """``is_alive`` as a condition on rows of hosts; ``since`` is ``heard_since()``."""
    heard = and_(Host.last_seen_at.is_not(None), Host.last_seen_at > since)
    return and_(Host.forced_down.is_(False), heard)
