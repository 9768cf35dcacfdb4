"""Hints, sent only after the change has been committed."""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from webcloud.db import after_commit
from webcloud.live.socket import recent, socketio

log = logging.getLogger(__name__)


def changed(session: Session, kind: str, subject_id: str, project_id: str | None) -> None:
    """After commit: tell the browsers of the project, and operators, to look again."""
    after_commit(session, lambda: changed_now(kind, subject_id, project_id))


def changed_now(kind: str, subject_id: str, project_id: str | None) -> None:
    """The same at once, for a change that is already committed."""
    message = {"kind": kind, "id": subject_id}
    rooms = ["operators"] if project_id is None else ["operators", f"project:{project_id}"]
    for room in rooms:
        recent.add(room, message)
        _emit("changed", message, room, "/live")


def work_for(session: Session, host_id: str) -> None:
    """After commit: tell a host's agent that it has work."""
    after_commit(session, lambda: work_now(host_id))


def work_now(host_id: str) -> None:
    """The same at once, for work that is already committed."""
    _emit("work", None, f"host:{host_id}", "/agents")


def tell_again(session: Session, host_id: str) -> None:
    """After commit: have a host's agent tell all about its guests once more."""
    after_commit(session, lambda: _emit("tell", None, f"host:{host_id}", "/agents"))


def _emit(event: str, message: object, room: str, namespace: str) -> None:
    if socketio.server is None:  # A command line process has no listeners.
        return
    try:
        if message is None:
            socketio.emit(event, to=room, namespace=namespace)
        else:
            socketio.emit(event, message, to=room, namespace=namespace)
    except Exception:
        # A hint may be lost: everyone also looks on a timer.
        log.exception("a hint to %s could not be sent", room)
