"""Takes in what a host tells: ends of commands, inventory, newer domain states."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from agents.wire.reports import DomainStates, Inventory, Report
from webcloud.audit import service as audit
from webcloud.conductor import starting
from webcloud.db import after_commit, has_changes, locked, now
from webcloud.errors import BadRequest, Unavailable
from webcloud.hosts import capacity, events, hearing, presence, questions, versions
from webcloud.hosts.models import Host, HostCommand
from webcloud.hosts.told_once import ToldOnce
from webcloud.live import publish
from webcloud.words import join, say

# What of an inventory is worth an event when it changes, besides versions.
TELLING = ("vcpus", "memory_mb", "disk_total", "hypervisor", "architecture", "agent_version")
MOST = 2**31 - 1
MOST_BYTES = 2**63 - 1
MOST_TEXT = 4000  # characters of an error that are kept

_foreign = ToldOnce()
# By host: the run and sequence of the newest domain states that were taken here.
_last_taken: dict[str, tuple[str, int]] = {}
_taking = threading.Lock()


def accept(session: Session, host: Host, report: Report) -> None:
    """Write a report down and wake the operation that waits for it.

    A report on a command that is not open is dropped: the agent repeats
    itself after a lost answer.  One on another host's command is audited.
    """
    row = session.get(HostCommand, report.command_id)
    if row is None:
        return
    if row.host_id != host.id:
        note_foreign(session, host, "report", row.id, about=row.host_id)
        return
    if row.status != "open":
        return
    if report.status not in ("running", "done", "failed"):
        raise BadRequest(f"Unknown report status {report.status!r}.", field="status")
    if row.operation_id is not None:
        # Its operation is locked before the command, as by the conductor's withdrawals.
        starting.wake(session, row.operation_id)
        row = locked(session, HostCommand, row.id)
        if row.status != "open":
            return
    if report.progress is not None:
        row.progress = min(max(report.progress, 0.0), 1.0)
    if report.status != "running":
        row.status = report.status
        row.result = report.result
        row.error_code = report.error_code[:64]
        row.error_message = report.error_message[:MOST_TEXT]
        row.retryable = report.retryable
        row.finished_at = now()
        # It may carry a user's data, and nobody asks for it again.
        row.payload = {}
    if row.operation_id is None:
        after_commit(session, lambda: questions.answered(report.command_id))


def note_foreign(
    session: Session, host: Host, what: str, foreign_id: str, *, about: str | None = None
) -> None:
    """Write down that a host reached for what is not its own; ``about`` is whose it is.

    Once for each thing, and only so many an hour: who repeats a lie fills no log.
    """
    if not _foreign.is_news(host.id, f"{what} {foreign_id[:64]}"):
        return
    audit.record(
        session,
        actor=f"host:{host.name}",
        action=f"host.foreign_{what}",
        subject_type="host",
        subject_id=about or host.id,
        detail={"id": foreign_id[:64]},
    )


def note_if_refused(session: Session, host: Host, body: Any) -> Unavailable | None:
    """Remember a version of the contract that is not spoken here, and say what to update.

    None for an inventory that can be read, or that is none at all.
    """
    told = body.get("wire_version") if isinstance(body, dict) else None
    if not isinstance(told, int) or not 0 <= told <= MOST:
        return None
    problem = versions.problem(host.name, told)
    if problem is not None:
        host.wire_version = told
        host.last_seen_at = now()
        publish.changed(session, "host", host.id, None)
    return problem


def take_inventory(session: Session, host: Host, inventory: Inventory) -> None:
    """Write down what the host offers. Its name stays the one it was enrolled under.

    Raises BadRequest for numbers that no host can have.
    """
    for name, most in (
        *(("vcpus", MOST), ("memory_mb", MOST), ("wire_version", MOST)),
        *(("disk_total", MOST_BYTES), ("disk_free", MOST_BYTES)),
    ):
        _check(name, getattr(inventory, name), most)
    _note_changes(session, host, inventory)
    host.wire_version = inventory.wire_version
    host.agent_version = inventory.agent_version[:32]
    host.hypervisor = inventory.hypervisor[:16]
    host.architecture = inventory.architecture[:16]
    host.vcpus = inventory.vcpus
    host.memory_mb = inventory.memory_mb
    _take_disk(session, host, inventory)
    host.versions = {str(k)[:64]: str(v)[:64] for k, v in list(inventory.versions.items())[:64]}
    host.cached_images = [image_id for image_id in inventory.cached_images if len(image_id) <= 36]
    booted = inventory.booted_at
    if booted is not None:
        _check("booted_at", booted, MOST)
        host.booted_at = datetime.fromtimestamp(booted, UTC)
    _take_boot_id(host, inventory.boot_id[:36])
    if presence.is_stale(host):
        hearing.spoke(session, host)
        host.last_seen_at = now()
    if session.is_modified(host):
        publish.changed(session, "host", host.id, None)


def _take_disk(session: Session, host: Host, inventory: Inventory) -> None:
    """An event when it has become nearly full, and when it is so no longer."""
    before = capacity.nearly_full(host)
    host.disk_total, host.disk_free = inventory.disk_total, inventory.disk_free
    after = capacity.nearly_full(host)
    if before != after:
        free = round(host.disk_free / capacity.GIB, 1)
        events.record(session, host, "disk_low" if after else "disk_enough", free=free)


def _take_boot_id(host: Host, boot_id: str) -> None:
    """Remember that the machine was started anew; the first id that is told is no change."""
    if boot_id and host.boot_id != boot_id:
        host.restart_due = host.restart_due or bool(host.boot_id)
        host.boot_id = boot_id


def _note_changes(session: Session, host: Host, inventory: Inventory) -> None:
    """An event for what an operator would want to know; not for free space or caches."""
    if not host.vcpus and not host.memory_mb:
        return  # The first inventory is no change.
    before: dict[str, object] = {name: getattr(host, name) for name in TELLING}
    after: dict[str, object] = {name: getattr(inventory, name) for name in TELLING}
    before.update(host.known_versions)
    after.update({str(k)[:64]: str(v)[:64] for k, v in list(inventory.versions.items())[:64]})
    changes = [
        say("{name} from {old} to {new}", name=name, old=before.get(name, "–"), new=new)
        for name, new in after.items()
        if before.get(name) != new
    ]
    if changes:
        events.record(session, host, "inventory", changes=join(", ", changes))


def is_newer(host: Host, states: DomainStates) -> bool:
    """Whether this message is newer than the last one taken from the host."""
    _check("sequence", states.sequence, MOST)
    run, sequence = states.run_id[:64], states.sequence
    if host.reporting_run == run and sequence <= host.reporting_sequence:
        return False
    with _taking:
        last = _last_taken.get(host.id)
        if last is not None and last[0] == run and sequence <= last[1]:
            return False
    return True


def remember(session: Session, host: Host, states: DomainStates) -> None:
    """The message has been taken. One that changed nothing is remembered by this process alone.

    Hosts repeat themselves, and a row written each time would keep the disk
    busy with nothing; a message from before a restart cannot arrive after it.
    """
    run, sequence = states.run_id[:64], states.sequence
    if has_changes(session):
        host.reporting_run, host.reporting_sequence = run, sequence

    def taken() -> None:
        with _taking:
            last = _last_taken.get(host.id)
            if last is None or last[0] != run or last[1] < sequence:
                _last_taken[host.id] = (run, sequence)

    after_commit(session, taken)


def _check(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise BadRequest(f"{name} must be from 0 to {most}.", field=name)
