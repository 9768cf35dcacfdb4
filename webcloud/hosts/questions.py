"""Asks a host a question for a web request that waits for the answer (a console log).

Not to be called inside a transaction, because it waits.  A question is a command
outside every operation: when nobody waits for it any more it is gone.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from webcloud.db import Database, new_id
from webcloud.errors import Unavailable
from webcloud.hosts import commands
from webcloud.hosts.models import Host, HostCommand
from webcloud.words import say, word

_answers: dict[str, threading.Event] = {}


def query(
    database: Database,
    host_id: str,
    payload: Any,
    timeout: float = 5.0,
    *,
    even_if_silent: bool = False,
) -> dict[str, Any]:
    """Ask the host a question and wait for the answer, in seconds at most ``timeout``.

    Raises Unavailable when the host does not answer in time or cannot, and at
    once when it is known to be silent, unless the caller wants to wait even so.
    Raises AgentTooOld when its agent does not know the question.
    """
    if not even_if_silent:
        _refuse_silent(database, host_id)
    command_id = new_id()
    event = _answers[command_id] = threading.Event()
    try:
        with database.transaction() as session:
            commands.tell(session, host_id, payload, command_id)
        return _wait_for_answer(database, command_id, event, timeout)
    finally:
        _answers.pop(command_id, None)
        with database.transaction() as session:
            row = session.get(HostCommand, command_id)
            if row is not None:
                session.delete(row)


def _refuse_silent(database: Database, host_id: str) -> None:
    with database.reading() as session:
        host = session.get(Host, host_id)
        if host is not None and host.silent_since is not None:
            raise Unavailable("The host is not heard from; it may be down or cut off.")


def _wait_for_answer(
    database: Database, command_id: str, event: threading.Event, timeout: float
) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        # The report may arrive at another controller process: look now and then.
        event.wait(min(left, 0.5))
        event.clear()
        with database.reading() as session:
            row = session.get(HostCommand, command_id)
            if row is not None and row.status == "done":
                return dict(row.result)
            if row is not None and row.status == "failed":
                raise Unavailable(
                    say("The host could not answer: {reason}", reason=word(row.error_message))
                )
    raise Unavailable("The host does not answer; it may be down or cut off.")


def answered(command_id: str) -> None:
    """Wake whoever waits for this query in this process."""
    event = _answers.get(command_id)
    if event is not None:
        event.set()
