"""Reconcilers: functions that run on a timer and when hinted.

Each has a row which says when it runs next, so that of several controllers
only one runs it; the lease there merely saves work, for a reconciler is
repeatable.  Each has its own thread: one that fails or is slow delays no
other.  A failure is counted, its class is kept in the row and its traceback
in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, or_, update

from webcloud.clock import TOLERANCE
from webcloud.conductor import registry
from webcloud.conductor.models import PeriodicRow
from webcloud.conductor.registry import Periodic
from webcloud.db import Database, UtcDateTime, new_id, now
from webcloud.errors import Conflict

log = logging.getLogger(__name__)

SHORTEST_LEASE, LONGEST_LEASE = 5.0, 60.0
LONGEST_NAP = 5.0
# Built once, for some of it is done every other second.
_table = PeriodicRow.metadata.tables["periodic"]
_moment = bindparam("moment", type_=UtcDateTime)
_TAKE = (
    update(_table)
    .where(
        _table.c.name == bindparam("work"),
        or_(
            _table.c.lease_until.is_(None),
            _table.c.lease_until < _moment,
            _table.c.lease_until > bindparam("last_lease"),
        ),
    )
    .values(lease_token=bindparam("token"), lease_until=bindparam("until"))
)
_TAKE_DUE = _TAKE.where(
    or_(_table.c.run_at <= _moment, _table.c.run_at > bindparam("farthest")),
)
_GIVE_BACK = (
    update(_table)
    .where(_table.c.name == bindparam("work"), _table.c.lease_token == bindparam("token"))
    .values(
        lease_token=None,
        lease_until=None,
        run_at=bindparam("next"),
        finished_at=_moment,
        failures=case((bindparam("failed") == 1, _table.c.failures + 1), else_=0),
        last_error=bindparam("error"),
    )
)


class PeriodicRunner:
    """Runs everything that was registered when ``start`` is called."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = False
        self._hints: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for periodic in registry.all_periodics():
            self._hints[periodic.name] = threading.Event()
            thread = threading.Thread(
                target=self._loop, args=(periodic,), name=f"periodic-{periodic.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, until: float) -> None:
        """End the threads; a running reconciler is waited for, on the monotonic clock."""
        self._stopping = True
        for event in self._hints.values():
            event.set()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def hint(self, name: str) -> None:
        """Run it now rather than when its time comes; an unknown name is ignored."""
        event = self._hints.get(name)
        if event is not None:
            event.set()

    def _loop(self, periodic: Periodic) -> None:
        event, nap, ran = self._hints[periodic.name], 0.0, False
        while not self._stopping:
            hinted = event.is_set()
            event.clear()
            try:
                # After a nap of that length it is due, unless another has run it meanwhile.
                expected = ran and not hinted and periodic.every_seconds <= LONGEST_NAP
                ran, nap = run_if_due(self._database, periodic, hinted=hinted, expected=expected)
            except Exception:
                log.exception("periodic work %s cannot be taken; it is tried again", periodic.name)
                ran, nap = False, LONGEST_NAP
            if not self._stopping:
                event.wait(nap)


def run_if_due(
    database: Database, periodic: Periodic, *, hinted: bool = False, expected: bool = False
) -> tuple[bool, float]:
    """Run the function if it is due or hinted and nobody has it; whether, and seconds to nap after.

    It is not looked first whether one that is ``expected`` to be due is so.
    """
    if not (hinted or expected):
        with database.reading() as session:
            row = session.get(PeriodicRow, periodic.name)
        if row is None:
            _create(database, periodic)
        elif now() < row.run_at <= _farthest(periodic):
            return False, _nap(row.run_at - now())
    token = new_id()
    if not _take(database, periodic, token, hinted):
        return False, min(1.0, periodic.every_seconds)
    error = ""
    try:
        periodic.function(database)
    except Exception as failure:
        error = type(failure).__name__
        log.exception("periodic work %s failed", periodic.name)
    _give_back(database, periodic, token, error)
    return True, _nap(timedelta(seconds=periodic.every_seconds))


def _create(database: Database, periodic: Periodic) -> None:
    try:
        with database.transaction() as session:
            session.add(PeriodicRow(name=periodic.name, run_at=now()))
    except Conflict:
        log.debug("another controller has created the row of %s", periodic.name)


def _take(database: Database, periodic: Periodic, token: str, hinted: bool) -> bool:
    with database.transaction() as session:
        moment = now()
        given = {
            "work": periodic.name,
            "token": token,
            "moment": moment,
            "until": moment + lease_of(periodic),
            "last_lease": moment + timedelta(seconds=LONGEST_LEASE + TOLERANCE),
            "farthest": _farthest(periodic),
        }
        taken = session.connection().execute(_TAKE if hinted else _TAKE_DUE, given)
    return bool(taken.rowcount)


def lease_of(periodic: Periodic) -> timedelta:
    """What runs often is soon taken over from a controller that died in it."""
    seconds = min(max(2 * periodic.every_seconds, SHORTEST_LEASE), LONGEST_LEASE)
    return timedelta(seconds=seconds)


def _give_back(database: Database, periodic: Periodic, token: str, error: str) -> None:
    with database.transaction() as session:
        moment = now()
        given = {
            "work": periodic.name,
            "token": token,
            "moment": moment,
            "next": moment + timedelta(seconds=periodic.every_seconds),
            "failed": int(bool(error)),
            "error": error,
        }
        session.connection().execute(_GIVE_BACK, given)


def _farthest(periodic: Periodic) -> datetime:
    """No row says more, unless the clock has jumped back since it was written."""
    return now() + timedelta(seconds=periodic.every_seconds + TOLERANCE)


def _nap(left: timedelta) -> float:
    return max(0.0, min(left.total_seconds(), LONGEST_NAP))
