"""Remembers when each host was last heard, and writes it for all of them at once.

Hosts are heard many times a second: with each answer to a ping and each
question.  A row says so a few seconds late, in one change for every host
that spoke meanwhile; a host whose row says that it is not there is written at
once.  Whoever hears a host does the writing, so nothing depends on a timer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from webcloud.db import Database, now
from webcloud.errors import Unavailable
from webcloud.hosts import events
from webcloud.hosts.models import Host
from webcloud.live import publish

log = logging.getLogger(__name__)

WRITE_SECONDS = 2.0
# A moment this far ahead of now was written before the clock jumped back.
AHEAD = timedelta(seconds=3)
_table = Host.metadata.tables["host"]
# Built once, for it is asked every other second with the ids of many hosts.
_HEARD = (
    update(_table)
    .where(
        _table.c.id.in_(bindparam("heard", expanding=True)),
        _table.c.credential_hash != "",
        or_(
            _table.c.last_seen_at.is_(None),
            _table.c.last_seen_at < bindparam("moment"),
            _table.c.last_seen_at > bindparam("ahead"),
        ),
    )
    .values(last_seen_at=bindparam("moment"))
)
# They are few, whatever has been heard.
_SILENT = select(Host.id).where(Host.silent_since.is_not(None), Host.credential_hash != "")


class Hearing:
    """What one process has heard since it last wrote it down."""

    def __init__(self) -> None:
        self._moments: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._written_at = float("-inf")

    def heard(self, database: Database, host_id: str) -> None:
        """It has just spoken; written soon, and never while another thread writes."""
        self._note(host_id)
        if time.monotonic() - self._written_at < WRITE_SECONDS:
            return
        if not self._writing.acquire(blocking=False):
            return
        try:
            self._write(database)
        except Unavailable as error:
            log.warning("when hosts were heard could not be written: %s", error)
        finally:
            self._writing.release()

    def heard_anew(self, database: Database, host_id: str) -> None:
        """The same, written when this returns: by this thread or one that was before it."""
        self._note(host_id)
        with self._writing:
            if host_id in self._moments:
                self._write(database)

    def write_all(self, database: Database) -> None:
        """Write what has been heard until now, before it is read who has not been."""
        with self._writing:
            if self._moments:
                self._write(database)

    def forget(self) -> None:
        """The clock has jumped: these moments are of another time."""
        with self._lock:
            self._moments.clear()

    def _note(self, host_id: str) -> None:
        with self._lock:
            self._moments[host_id] = now()

    def _write(self, database: Database) -> None:
        with self._lock:
            taken, self._moments = self._moments, {}
        self._written_at = time.monotonic()
        try:
            with database.transaction() as session:
                write(session, taken)
        except BaseException:
            with self._lock:
                self._moments = taken | self._moments
            raise


def write(session: Session, moments: dict[str, datetime]) -> None:
    """Each host was heard then, to the second; those that were silent are back.

    A host without a credential is no more, whatever connection it still holds.
    """
    seconds: dict[datetime, list[str]] = defaultdict(list)
    for host_id, moment in moments.items():
        seconds[moment.replace(microsecond=0)].append(host_id)
    ahead = now() + AHEAD
    for host_ids in seconds.values():
        moment = min(moments[host_id] for host_id in host_ids)
        session.connection().execute(_HEARD, {"heard": host_ids, "moment": moment, "ahead": ahead})
    for host_id in session.scalars(_SILENT).all():
        if host_id in moments:
            spoke(session, session.get_one(Host, host_id))
            publish.changed(session, "host", host_id, None)


def spoke(session: Session, host: Host) -> None:
    """The host has just spoken: if it was silent, that is over."""
    if host.silent_since is None:
        return
    seconds = round((now() - host.silent_since).total_seconds())
    host.went_silent_at, host.silent_since = host.silent_since, None
    events.record(session, host, "back", seconds=seconds)
    # Its connection may have lasted, and then it does not know that it was missed.
    publish.tell_again(session, host.id)


_hearings: WeakKeyDictionary[Database, Hearing] = WeakKeyDictionary()
_making = threading.Lock()


def of(database: Database) -> Hearing:
    """What this process has heard of the hosts in a database."""
    with _making:
        return _hearings.setdefault(database, Hearing())
