"""Keeps the process on the database's time, and puts rows right when that has jumped.

Rows hold moments: leases, naps, deadlines.  All controllers read them by one
clock, the database server's (SQLite has none, so the machine's); a controller
whose own clock is wrong or jumps harms nothing.  When the reference jumps
forward, no unfinished operation has lost the time that did not pass: its
deadline and lease move along.  When it jumps back, moments that lie further
ahead than they can are no longer believed (``leases``, ``periodic``), and
deadlines are brought back to what each operation is allowed, once every
controller has looked.  Doing it twice, as two controllers may, gives an
operation at most its whole allowance anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.orm import Session

from webcloud import db
from webcloud.clock import Clock
from webcloud.conductor import leases, registry, signals
from webcloud.conductor.models import OperationRow
from webcloud.db import Database

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# An answer that took longer says too little about the time.
SLOWEST_ANSWER = 1.0

SERVERS_TIME = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mariadb": "SELECT UNIX_TIMESTAMP(NOW(6))",
    "mysql": "SELECT UNIX_TIMESTAMP(NOW(6))",
}


class ClockWatch:
    """Looks at the reference every second, in a thread of its own."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        reference: Callable[[], float | None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock or db.clock
        self._reference = reference or (lambda: time_of(database, self._clock))
        self._first = True
        self._unbound = 0.0  # The jump after which deadlines have not been bounded yet.
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conductor-clock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(LOOK_SECONDS)

    def look(self) -> None:
        """Follow the reference; raises Unavailable while rows cannot be put right."""
        reference = self._reference()
        if reference is None:
            return
        jump = self._clock.jump(reference)
        first, self._first = self._first, False
        if jump:
            log.warning("the clock of the database has jumped by %.1f s", jump)
            if not first:
                # Before anybody in this process reads the new time.
                signals.jumping(self._database, jump)
            if jump > 0 and not first:
                move(self._database, timedelta(seconds=jump), self._moment(jump))
            self._clock.adopt(jump)
            self._unbound = jump
            signals.jumped(self._database, 0.0 if first else jump)
        if self._unbound > 0 and self._clock.settling:
            move_late(self._database, timedelta(seconds=self._unbound), self._moment())
        elif self._unbound and not self._clock.settling:
            bound(self._database, self._moment())
            self._unbound = 0.0

    def _moment(self, jump: float = 0.0) -> datetime:
        return datetime.fromtimestamp(self._clock.now() + jump, UTC)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                log.exception("the clock could not be looked at; it is tried again")
            self._stop.wait(LOOK_SECONDS)


def time_of(database: Database, clock: Clock) -> float | None:
    """The reference, in seconds since the epoch; None when the answer took too long."""
    question = SERVERS_TIME.get(database.engine.dialect.name)
    if question is None:
        return clock.wall()
    with database.reading() as session:
        session.connection()
        asked = time.monotonic()
        told = float(session.scalar(text(question)))
        took = time.monotonic() - asked
    return told + took / 2 if took <= SLOWEST_ANSWER else None


def move(database: Database, step: timedelta, moment: datetime) -> None:
    """Give unfinished operations the time that the clock is about to jump over, to ``moment``."""
    with database.transaction() as session:
        _rewrite(
            session,
            lambda allowed, deadline, lease: (
                min(deadline + step, max(deadline, moment + allowed)),
                lease and min(lease + step, moment + timedelta(seconds=leases.LONGEST)),
            ),
        )


def move_late(database: Database, step: timedelta, moment: datetime) -> None:
    """The same for what was accepted in the old time by who had not looked yet."""
    with database.transaction() as session:
        _rewrite(
            session,
            lambda allowed, deadline, lease: (
                deadline if deadline > moment else min(deadline + step, moment + allowed),
                lease,
            ),
        )


def bound(database: Database, moment: datetime) -> None:
    """Let no deadline lie further ahead than if the operation were accepted at the moment."""
    with database.transaction() as session:
        _rewrite(session, lambda allowed, deadline, lease: (min(deadline, moment + allowed), lease))


def allowance(kind: str, seconds: float | None) -> timedelta:
    """How long an operation may take that was accepted with ``seconds``, or before these were."""
    if seconds is None:
        try:
            seconds = registry.get(kind).deadline_seconds
        except registry.UnknownKind:
            # Accepted by another version of this program.
            seconds = 24 * 3600
    return timedelta(seconds=seconds)


Rewritten = Callable[[timedelta, datetime, datetime | None], tuple[datetime, datetime | None]]


def _rewrite(session: Session, change: Rewritten) -> None:
    """Change deadline and lease of every unfinished operation, locked in one order."""
    unfinished = session.execute(
        select(
            OperationRow.id,
            OperationRow.kind,
            OperationRow.allowed_seconds,
            OperationRow.deadline_at,
            OperationRow.lease_until,
        )
        .where(OperationRow.finished_at.is_(None))
        .order_by(OperationRow.id)
        .with_for_update()
    ).all()
    changed = []
    for row in unfinished:
        allowed = allowance(row.kind, row.allowed_seconds)
        deadline, lease = change(allowed, row.deadline_at, row.lease_until)
        if (deadline, lease) != (row.deadline_at, row.lease_until):
            changed.append({"one": row.id, "deadline": deadline, "lease": lease})
    if changed:
        session.connection().execute(
            update(OperationRow)
            .where(OperationRow.id == bindparam("one"))
            .values(deadline_at=bindparam("deadline"), lease_until=bindparam("lease")),
            changed,
        )
