"""What people can do with an instance. Starts operations; never commits.

``create`` is in ``creation``; here are the verbs on one that exists.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from agents.wire.commands import ReadConsoleLog
from webcloud.conductor import queries as operations
from webcloud.conductor import starting
from webcloud.db import Database
from webcloud.drift import queries as drift
from webcloud.errors import Conflict
from webcloud.hosts import questions
from webcloud.identity import quotas
from webcloud.identity.audit_trail import record_change
from webcloud.identity.callers import Caller
from webcloud.instances import creation, faults, names, queries, states
from webcloud.instances.beginning import begin, origin
from webcloud.instances.models import Instance
from webcloud.instances.operations.delete import DeleteInstance
from webcloud.instances.operations.power_steps import GRACE_SECONDS
from webcloud.instances.operations.reboot import HardRebootInstance, RebootInstance
from webcloud.instances.operations.start import StartInstance
from webcloud.instances.operations.stop import StopInstance
from webcloud.words import say, word

create = creation.create

# A guest that runs on a disk whose file is gone keeps it only until it stops.
BOOTING = ("start", "reboot", "hard_reboot")


def start(session: Session, caller: Caller, instance: Instance) -> str:
    """Returns the operation's id. Raises Conflict when it is running or busy."""
    _check(session, instance, "start")
    instance.intended_power = "running"
    instance.boot += 1
    return begin(session, caller, instance, StartInstance, {})


def stop(session: Session, caller: Caller, instance: Instance) -> str:
    """Power button first, switched off after a minute. Raises Conflict."""
    _check(session, instance, "stop")
    instance.intended_power = "shutoff"
    return begin(session, caller, instance, StopInstance, {"grace_seconds": GRACE_SECONDS})


def reboot(session: Session, caller: Caller, instance: Instance, *, hard: bool = False) -> str:
    """Soft: by the power button, forced after a minute; hard: at once. Raises Conflict."""
    _check(session, instance, "hard_reboot" if hard else "reboot")
    instance.intended_power = "running"
    instance.boot += 1
    if hard:
        return begin(session, caller, instance, HardRebootInstance, {"grace_seconds": 0})
    return begin(session, caller, instance, RebootInstance, {"grace_seconds": GRACE_SECONDS})


def delete(session: Session, caller: Caller, instance: Instance) -> str:
    """Always possible; wins over whatever is under way. Returns the operation's id."""
    operation_id = starting.supersede(
        session,
        DeleteInstance,
        subject_id=instance.id,
        params={},
        **origin(caller, instance),
    )
    record_change(session, caller, DeleteInstance.kind, instance, operation_id)
    return operation_id


def rename(
    session: Session,
    caller: Caller,
    instance: Instance,
    *,
    name: str | None = None,
    description: str | None = None,
) -> None:
    """Change the name or the description. Raises Conflict for a name that is taken."""
    if name is not None and name != instance.name:
        _take_name(session, instance, name)
    if description is not None:
        instance.description = description
    queries.touch(instance)
    record_change(session, caller, "instance.update", instance)


def _take_name(session: Session, instance: Instance, name: str) -> None:
    # In the order in which deleting locks them; who creates under this name waits.
    session.refresh(instance, with_for_update=True)
    if instance.deleted_at is not None:
        raise queries.not_found(instance.id)
    if instance.name == name:
        return  # The same request, sent twice at once.
    quotas.hold(session, instance.project_id)
    names.check_free(session, instance.project_id, name)
    instance.name = name


def set_metadata(
    session: Session, caller: Caller, instance: Instance, values: dict[str, str]
) -> None:
    """Replace the user's metadata."""
    instance.user_metadata = dict(values)
    queries.touch(instance)
    record_change(session, caller, "instance.update", instance)


def console_log(database: Database, instance: Instance, max_bytes: int = 65536) -> str:
    """The end of the serial log, asked from the host now; "" when it is on no host.

    Must be called outside a transaction. Raises Unavailable when the host is silent.
    """
    if instance.host_id is None:
        return ""
    answer = questions.query(database, instance.host_id, ReadConsoleLog(instance.id, max_bytes))
    return str(answer.get("output", ""))


def _check(session: Session, instance: Instance, action: str) -> None:
    """Raises Conflict when the action is not possible now, or could not end well."""
    # It may have been deleted since it was read; from here on it stays as it is.
    session.refresh(instance, with_for_update=True)
    operation = operations.active_operation(session, "instance", instance.id)
    reason = states.describe(instance, operation).allowed[action]
    if reason:
        verb = "hard reboot" if action == "hard_reboot" else action
        raise Conflict(
            say(
                "Cannot {verb} instance {name!r}: {reason}",
                verb=word(verb),
                name=instance.name,
                reason=word(reason),
            )
        )

    if action in BOOTING and drift.touching(session, instance.id, "disk_missing") is not None:
        raise Conflict(
            say("The disk of instance {name!r} is not on its host.", name=instance.name),
            next_step=faults.KNOWN["disk_missing"][1],
        )
