"""Answers hosts' commands in the database, as an agent that did the work would.

For tests of what the controller does with answers.  What agents really do is
tested with real agents elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from agents.wire.reports import Report
from webcloud.db import Database
from webcloud.hosts import reports
from webcloud.hosts.models import Host, HostCommand


@dataclass(frozen=True)
class Asked:
    """One thing that a host was asked for, by itself or as the named part of a batch."""

    host_id: str
    name: str
    verb: str
    payload: dict[str, Any]


Answer = Callable[[Asked], dict[str, Any]]


def answer_hosts(
    database: Database, answer: Answer = lambda command: {}, *, heard: set[str] | None = None
) -> list[str]:
    """Report every open command as done with ``answer(command)``; their verbs, in order.

    A batch is answered part by part.  With ``heard`` only hosts with these ids answer.
    """
    done: list[str] = []
    with database.transaction() as session:
        rows = session.scalars(
            select(HostCommand)
            .where(HostCommand.status == "open")
            .order_by(HostCommand.created_at, HostCommand.step)
        ).all()
        for row in rows:
            if heard is not None and row.host_id not in heard:
                continue
            host = session.get_one(Host, row.host_id)
            asked = _parts(row)
            answers = {part.name: answer(part) for part in asked}
            done += [part.verb for part in asked]
            result = answers if row.verb == "batch" else answers[""]
            reports.accept(session, host, Report(row.id, "done", result=result))
        return done


def _parts(row: HostCommand) -> list[Asked]:
    """The command, or each of its parts when it is a batch."""
    if row.verb != "batch":
        return [Asked(row.host_id, "", row.verb, row.payload)]
    return [Asked(row.host_id, **part) for part in row.payload["parts"]]
