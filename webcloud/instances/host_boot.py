"""After a host's machine was started anew: what ran there is started again.

An instance is, when its user wants it to run, nothing works on it, and it ran
when the host was last heard, or stopped within WHILE_GOING_DOWN of that (a host
that is shut down properly stops its guests first).  One that had powered itself
off earlier stays off.  Whether any is started is the installation's choice,
the setting ``start_after_host_boot``.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from webcloud.conductor import starting
from webcloud.config import Config
from webcloud.errors import Busy
from webcloud.hosts import audit_trail, events
from webcloud.hosts.models import Host
from webcloud.instances import queries
from webcloud.instances.models import Instance
from webcloud.instances.operations.start import StartInstance

WHILE_GOING_DOWN = timedelta(minutes=5)

_wanted = True


def configure(config: Config) -> None:
    """Take the installation's choice."""
    global _wanted
    _wanted = config.start_after_host_boot


def start_again(session: Session, host: Host) -> None:
    """Begin the starts; once per start of the machine."""
    host.restart_due = False
    begun = [
        instance.id
        for instance in queries.on_host(session, host.id)
        if _wanted and _should_run(instance, host) and _start(session, instance, host)
    ]
    events.record(session, host, "rebooted", count=len(begun))
    audit_trail.record(session, host, "host.rebooted", started=begun)


def _should_run(instance: Instance, host: Host) -> bool:
    if not instance.built or instance.intended_power != "running" or host.forced_down:
        return False
    unknown = instance.observed_power == "unknown"
    power = instance.power_before if unknown else instance.observed_power
    if power in ("running", "paused"):
        return True
    went = host.went_silent_at or host.booted_at
    stopped = instance.observed_at
    if unknown or power != "shutoff" or went is None or stopped is None:
        return False
    return stopped >= went - WHILE_GOING_DOWN


def _start(session: Session, instance: Instance, host: Host) -> bool:
    # It may have been deleted or stopped since it was read; from here on it stays as it is.
    session.refresh(instance, with_for_update=True)
    if instance.deleted_at is not None or not _should_run(instance, host):
        return False
    try:
        starting.start(
            session,
            StartInstance,
            subject_id=instance.id,
            subject_name=instance.name,
            project_id=instance.project_id,
            params={},
        )
    except Busy:
        return False
    instance.boot += 1
    queries.touch(instance)
    return True
