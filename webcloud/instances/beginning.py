"""Beginning an operation on an instance: the row, its audit entry and the hint go together.

What may be done now is for the verbs to know; here it is only written down,
into the caller's transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from webcloud.conductor import starting
from webcloud.conductor.operation import Operation
from webcloud.identity.audit_trail import record_change
from webcloud.identity.callers import Caller
from webcloud.instances import queries
from webcloud.instances.models import Instance


def begin(
    session: Session,
    caller: Caller,
    instance: Instance,
    operation: type[Operation],
    params: dict[str, Any],
    *,
    extra_seconds: int = 0,
    **detail: Any,
) -> str:
    """Returns the operation's id; ``extra_seconds`` put its deadline off. Raises Busy."""
    queries.touch(instance)
    row = starting.start(
        session,
        operation,
        subject_id=instance.id,
        params=params,
        extra_seconds=extra_seconds,
        **origin(caller, instance),
    )
    record_change(session, caller, operation.kind, instance, row.id, **detail)
    return row.id


def origin(caller: Caller, instance: Instance) -> dict[str, Any]:
    """What an operation on the instance keeps of where it comes from."""
    return {
        "subject_name": instance.name,
        "project_id": instance.project_id,
        "user_id": caller.user_id,
        "request_id": caller.request_id,
    }
