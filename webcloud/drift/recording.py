"""Writes down which differences there are: new ones begin, those no longer seen end.

Each beginning and end is an entry of the audit log about the host, so that the
host's history says it, too.  A host can make up any number of names, so no
more than MOST of its differences are kept; verify prints them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from agents.wire.reports import REPAIRS, Repair
from webcloud.drift import queries
from webcloud.drift.models import Difference
from webcloud.hosts import audit_trail, events
from webcloud.hosts.models import Host
from webcloud.live import publish
from webcloud.words import from_json, word

MOST = 200
MOST_SUBJECT = 255


@dataclass(frozen=True)
class Seen:
    """A difference as it was found; see the columns of ``models.Difference``."""

    invariant: str
    kind: str
    subject: str
    words: str
    instance_id: str | None = None
    project_id: str | None = None


def record(
    session: Session, host: Host | None, seen: Sequence[Seen], moment: datetime
) -> list[Difference]:
    """Make the rows of the host (of the database: None) be these; returns them."""
    known = {
        (row.kind, row.subject): row
        for row in queries.of_host(session, None if host is None else host.id)
    }
    kept: list[Difference] = []
    for each in seen[:MOST]:
        row = known.pop((each.kind, each.subject[:MOST_SUBJECT]), None)
        if row is None:
            row = _begin(session, host, each, moment)
        row.last_seen_at, row.said = moment, word(each.words).as_json()
        kept.append(row)
    for row in known.values():
        _note(session, host, "drift_gone", "host.drift_end", row)
        session.delete(row)
    session.flush()
    return kept


def note_repairs(session: Session, host: Host, repairs: Sequence[Repair]) -> None:
    """Write down what the host has put right by itself."""
    for repair in repairs[:MOST]:
        if repair.what in REPAIRS:
            detail = {"what": repair.what, "id": repair.subject_id[:64]}
            audit_trail.record(session, host, "host.repair", **detail)


def _begin(session: Session, host: Host | None, seen: Seen, moment: datetime) -> Difference:
    row = Difference(
        host_id=None if host is None else host.id,
        invariant=seen.invariant,
        kind=seen.kind,
        subject=seen.subject[:MOST_SUBJECT],
        instance_id=seen.instance_id,
        project_id=seen.project_id,
        said=word(seen.words).as_json(),
        first_seen_at=moment,
    )
    session.add(row)
    _note(session, host, "drift", "host.drift_begin", row)
    return row


def _note(session: Session, host: Host | None, event: str, action: str, row: Difference) -> None:
    if host is not None:
        words = from_json(row.said)
        events.record(session, host, event, subject=row.subject, words=words)
        detail = {"invariant": row.invariant, "kind": row.kind, "subject": row.subject}
        audit_trail.record(session, host, action, **detail)
    publish.changed(session, "drift", row.host_id or "", None)
    if row.instance_id is not None:
        publish.changed(session, "instance", row.instance_id, row.project_id)
