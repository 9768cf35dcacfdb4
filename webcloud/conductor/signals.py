"""Hints inside one process: an operation was accepted, an operation changed.

Both are sent only after the commit, carry nothing that cannot be read again,
and may be lost: the runner also looks on a timer and so do the browsers.  A
listener that fails is logged and never disturbs the work or other listeners.
``turned`` is no hint: its listeners write in the same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from webcloud.conductor.models import OperationRow
from webcloud.db import Database, after_commit

log = logging.getLogger(__name__)

Snapshot = dict[str, Any]
SNAPSHOT_FIELDS = ("id", "kind", "subject_type", "subject_id", "project_id", "status")

_change: list[Callable[[Snapshot], None]] = []
_accepted: list[Callable[[str], None]] = []
_jumping: list[Callable[[Database, float], None]] = []
_jumped: list[Callable[[Database, float], None]] = []
_turned: list[Callable[[Session, OperationRow], None]] = []


def on_change(callback: Callable[[Snapshot], None]) -> None:
    """Call back with {id, kind, subject_type, subject_id, project_id, status}."""
    _change.append(callback)


def on_accepted(callback: Callable[[str], None]) -> None:
    """Call back with the id of an operation that has become due: accepted, or woken."""
    _accepted.append(callback)


def on_jumping(callback: Callable[[Database, float], None]) -> None:
    """Call back when the clock has jumped, with the seconds, before this process follows it.

    It may raise; then the jump is not followed yet, and it is called again.
    Naming a callback again changes nothing.
    """
    if callback not in _jumping:
        _jumping.append(callback)


def on_jump(callback: Callable[[Database, float], None]) -> None:
    """Call back when this process has begun to follow a clock that had jumped, with the seconds.

    0.0 when it only then met the database's clock.  Naming a callback again
    changes nothing.
    """
    if callback not in _jumped:
        _jumped.append(callback)


def on_turned(callback: Callable[[Session, OperationRow], None]) -> None:
    """Call back, in its transaction, when an operation turns round or ends.

    What its steps have asked others for until then is no longer wanted.
    Naming a callback again changes nothing.
    """
    if callback not in _turned:
        _turned.append(callback)


def forget(callback: Callable[..., None]) -> None:
    """Stop calling back; harmless when it was not listening."""
    for listeners in (_change, _accepted):
        if callback in listeners:
            listeners.remove(callback)


def jumping(database: Database, seconds: float) -> None:
    """Have moments that others keep in rows put right; what a listener raises is raised."""
    for listener in _jumping:
        listener(database, seconds)


def jumped(database: Database, seconds: float) -> None:
    """Tell who keeps moments of their own."""
    _tell(_jumped, database, seconds)


def turned(session: Session, row: OperationRow) -> None:
    """Tell at once who must stop what the operation has set going."""
    for listener in _turned:
        listener(session, row)


def changed(session: Session, row: OperationRow) -> None:
    """After this session's commit, tell the listeners how the row looks now."""
    snapshot = {name: getattr(row, name) for name in SNAPSHOT_FIELDS}
    after_commit(session, lambda: _tell(_change, dict(snapshot)))


def accepted(session: Session, operation_id: str) -> None:
    """After this session's commit, tell the runner that there is work."""
    after_commit(session, lambda: _tell(_accepted, operation_id))


def _tell(listeners: list[Callable[..., None]], *arguments: Any) -> None:
    for listener in list(listeners):
        try:
            listener(*arguments)
        except Exception:
            log.exception("a listener to the conductor failed")
