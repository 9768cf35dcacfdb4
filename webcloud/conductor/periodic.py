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

from sqlalchemy import or_, select, update

from webcloud.clock import TOLERANCE
from webcloud.conductor import registry
from webcloud.conductor.models import PeriodicRow
from webcloud.conductor.registry import Periodic
from webcloud.db import Database, new_id, now
from webcloud.errors import Conflict

log = logging.getLogger(__name__)

SHORTEST_LEASE, LONGEST_LEASE = 5.0, 60.0
LONGEST_NAP = 5.0


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
        event = self._hints[periodic.name]
        while not self._stopping:
            hinted = event.is_set()
            event.clear()
            try:
                nap = run_if_due(self._database, periodic, hinted=hinted)
            except Exception:
                log.exception("periodic work %s cannot be taken; it is tried again", periodic.name)
                nap = LONGEST_NAP
            if not self._stopping:
                event.wait(nap)


def run_if_due(database: Database, periodic: Periodic, *, hinted: bool = False) -> float:
    """Run the function if it is due or hinted and nobody has it; seconds to nap after."""
    token = new_id()
    with database.reading() as session:
        row = session.get(PeriodicRow, periodic.name)
    if row is None:
        _create(database, periodic)
    elif not hinted and now() < row.run_at <= _farthest(periodic):
        return _nap(row.run_at - now())
    if not _take(database, periodic, token, hinted):
        return min(1.0, periodic.every_seconds)
    error = ""
    try:
        periodic.function(database)
    except Exception as failure:
        error = type(failure).__name__
        log.exception("periodic work %s failed", periodic.name)
    _give_back(database, periodic, token, error)
    return _nap(timedelta(seconds=periodic.every_seconds))


def _create(database: Database, periodic: Periodic) -> None:
    try:
        with database.transaction() as session:
            session.add(PeriodicRow(name=periodic.name, run_at=now()))
    except Conflict:
        log.debug("another controller has created the row of %s", periodic.name)


def _take(database: Database, periodic: Periodic, token: str, hinted: bool) -> bool:
    with database.transaction() as session:
        moment = now()
        conditions = [
            PeriodicRow.name == periodic.name,
            or_(
                PeriodicRow.lease_until.is_(None),
                PeriodicRow.lease_until < moment,
                PeriodicRow.lease_until > moment + timedelta(seconds=LONGEST_LEASE + TOLERANCE),
            ),
        ]
        if not hinted:
            far = PeriodicRow.run_at > _farthest(periodic)
            conditions.append(or_(PeriodicRow.run_at <= moment, far))
        found = session.scalar(
            select(PeriodicRow.name).where(*conditions).with_for_update(skip_locked=True)
        )
        if found is not None:
            session.execute(
                update(PeriodicRow)
                .where(PeriodicRow.name == found)
                .values(lease_token=token, lease_until=moment + lease_of(periodic))
            )
        return found is not None


def lease_of(periodic: Periodic) -> timedelta:
    """What runs often is soon taken over from a controller that died in it."""
    seconds = min(max(2 * periodic.every_seconds, SHORTEST_LEASE), LONGEST_LEASE)
    return timedelta(seconds=seconds)


def _give_back(database: Database, periodic: Periodic, token: str, error: str) -> None:
    with database.transaction() as session:
        moment = now()
        session.execute(
            update(PeriodicRow)
            .where(PeriodicRow.name == periodic.name, PeriodicRow.lease_token == token)
            .values(
                lease_token=None,
                lease_until=None,
                run_at=moment + timedelta(seconds=periodic.every_seconds),
                finished_at=moment,
                failures=PeriodicRow.failures + 1 if error else 0,
                last_error=error,
            )
        )


def _farthest(periodic: Periodic) -> datetime:
    """No row says more, unless the clock has jumped back since it was written."""
    return now() + timedelta(seconds=periodic.every_seconds + TOLERANCE)


def _nap(left: timedelta) -> float:
    return max(0.0, min(left.total_seconds(), LONGEST_NAP))
