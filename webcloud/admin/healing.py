"""Puts right what a survey shows to be missing, where that is safe: see HEALED.

What a host can put right alone it has done before it sent the survey.  Left
are an instance's definition, the image below its disk, its config drive and
its lease: an operation puts them back.  Nothing is ever started, stopped or deleted, and an
instance without its disk, or on two hosts, is left to people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.wire.commands import knows
from webcloud.audit import service as audit
from webcloud.conductor import starting
from webcloud.db import now
from webcloud.drift.models import Difference
from webcloud.errors import Busy
from webcloud.hosts import versions
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance
from webcloud.instances.operations.repair import RepairInstance

# kind of difference -> what ``instance.repair`` puts back
HEALED = {
    "domain_missing": "domain",
    "domain_transient": "domain",
    "config_drive_missing": "config_drive",
    "image_missing": "image",
    "lease_missing": "network",
    "lease_differs": "network",
}
LEFT_ALONE = frozenset({"disk_missing", "domain_twice", "domain_unreadable"})
# What an attempt has not put right is tried again after this long.
AGAIN_AFTER = timedelta(minutes=10)


def heal(session: Session, host: Host, differences: Sequence[Difference]) -> bool:
    """Begin what can be done; whether something remains to be looked at again."""
    by_instance: dict[str, list[Difference]] = defaultdict(list)
    for row in differences:
        if row.instance_id is not None:
            by_instance[row.instance_id].append(row)
    remains = False
    elsewhere = _elsewhere(session, set(by_instance))
    for instance_id, rows in by_instance.items():
        if instance_id not in elsewhere and LEFT_ALONE.isdisjoint(row.kind for row in rows):
            healable = [row for row in rows if _can(host, row.kind)]
            if healable:
                remains = True
                _repair(session, host, session.get_one(Instance, instance_id), healable)
    return remains


def _elsewhere(session: Session, instance_ids: set[str]) -> set[str]:
    """Those whose domain another host has: a second definition would only add to that."""
    return set(
        session.scalars(
            select(Difference.subject).where(
                Difference.subject.in_(instance_ids),
                Difference.kind.in_(("domain_twice", "domain_unowned")),
            )
        )
    )


def _can(host: Host, kind: str) -> bool:
    what = HEALED.get(kind)
    if what == "domain":
        return knows(versions.spoken(host), "ensure_defined")
    return what is not None


def _repair(session: Session, host: Host, instance: Instance, rows: list[Difference]) -> None:
    moment = now()
    due = [row for row in rows if _due(row, moment)]
    # It may have been deleted or moved since it was read; from here on it stays as it is.
    session.refresh(instance, with_for_update=True)
    if not due or instance.deleted_at is not None or instance.host_id != host.id:
        return
    try:
        operation = starting.start(
            session,
            RepairInstance,
            subject_id=instance.id,
            subject_name=instance.name,
            project_id=instance.project_id,
            params={"what": sorted({HEALED[row.kind] for row in due})},
        )
    except Busy:
        return  # Whatever works on it now comes first; the host is compared again after it.
    for row in due:
        row.healed_at = moment
    audit.record(
        session,
        actor="system",
        action=RepairInstance.kind,
        subject_type="instance",
        subject_id=instance.id,
        subject_name=instance.name,
        project_id=instance.project_id,
        operation_id=operation.id,
        detail={"host": host.name, "differences": [row.kind for row in due]},
    )


def _due(row: Difference, moment: datetime) -> bool:
    return row.healed_at is None or moment - row.healed_at >= AGAIN_AFTER
