"""What was done to a server: the conductor's operations, as Nova's instance actions.

An operation is found by the id of the request that started it; one that the
cloud started itself goes by its own id.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from webcloud.conductor import queries as operations
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.db import current
from webcloud.errors import NotFound
from webcloud.hosts import queries as hosts
from webcloud.identity.callers import current_caller
from webcloud.instances import queries
from webcloud.instances.api.dialect import bp, minor
from webcloud.instances.microversion import has
from webcloud.instances.models import Instance
from webcloud.instances.serialize import host_digest, precise
from webcloud.openapi import documented
from webcloud.web import require

COLLECTION = "/servers/<server_id>/os-instance-actions"
NAMES = {"hard_reboot": "reboot"}
ENDED = {"done": "Success", "failed": "Error"}
# What the log tells besides how far each step came.
ASIDE = ("accepted", "finished", "cancel", "alarm", "undone")


@bp.get(COLLECTION)
@require("instances:read")
@documented("What was done to an instance, newest first; deleted instances included.")
def list_actions(server_id: str) -> Response:
    instance = _instance(server_id)
    rows = operations.operations_of(current(), "instance", instance.id, limit=1000)
    return jsonify({"instanceActions": [_action(row) for row in rows]})


@bp.get(f"{COLLECTION}/<request_id>")
@require("instances:read")
@documented("One thing that was done to an instance, with its steps.")
def show_action(server_id: str, request_id: str) -> Response:
    instance = _instance(server_id)
    for row in operations.operations_of(current(), "instance", instance.id, limit=1000):
        if _request_id(row) == request_id:
            events = _events(instance, operations.events_of(current(), row.id))
            return jsonify({"instanceAction": {**_action(row), "events": events}})
    raise NotFound(f"Action for request_id {request_id[:80]} on the instance not found.")


def _instance(server_id: str) -> Instance:
    return queries.get(current(), current_caller(), server_id, deleted=True)


def _request_id(row: OperationRow) -> str:
    return row.request_id or row.id


def _action(row: OperationRow) -> dict[str, Any]:
    name = row.kind.partition(".")[2]
    body = {
        "action": NAMES.get(name, name),
        "instance_uuid": row.subject_id,
        "request_id": _request_id(row),
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": precise(row.created_at),
        "message": row.error_message or ("Error" if row.status == "failed" else None),
    }
    if has("actions.updated", minor()):
        body["updated_at"] = precise(row.finished_at or row.created_at)
    return body


def _events(instance: Instance, log: Any) -> list[dict[str, Any]]:
    """Each step with its start and its end, in the order they began."""
    caller = current_caller()
    host = hosts.names(current()).get(instance.host_id or "") if caller.is_admin else None
    steps: dict[str, dict[str, Any]] = {}
    entry: OperationEvent
    for entry in log:
        if entry.event in ASIDE:
            continue
        step = steps.setdefault(
            entry.step,
            {
                "event": entry.step,
                "start_time": precise(entry.at),
                "finish_time": None,
                "result": None,
            },
        )
        if entry.event in ENDED:
            step["finish_time"] = precise(entry.at)
            step["result"] = ENDED[entry.event]
        if has("actions.details", minor()):
            failed = entry.event == "failed"
            step["details"] = entry.detail if failed else step.get("details")
    for step in steps.values():
        if has("actions.host_id", minor()):
            step["hostId"] = host_digest(instance)
        if caller.is_admin:
            step["host"] = host
            step["traceback"] = None
    return list(steps.values())
