"""Servers: create, list, show, change and delete.

An id in an address is only looked up: one that is not there is 404, whatever
it looks like.  What a body names and is not there is 400, as in Nova.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.identity.callers import Caller, current_caller
from webcloud.instances import previewing, queries, serialize, service
from webcloud.instances.api import listing
from webcloud.instances.api.dialect import bp, empty, flag, minor, public_base, read
from webcloud.instances.api.views import plain, view_of
from webcloud.instances.forms import CreateServer, UpdateServer
from webcloud.networks.serialize import default_group_id
from webcloud.openapi import documented
from webcloud.web import require

QUERY = (
    *("name", "status", "ip", "flavor", "image", "host", "all_tenants", "deleted"),
    *("changes-since", "limit", "marker", "sort_key", "sort_dir"),
)
KEY_HEADER = "Idempotency-Key"
MAX_KEY = 100
# The first microversion in which each field may be given.
FIELD_SINCE = {
    "description": 19,
    "tags": 52,
    "trusted_image_certificates": 63,
    "host": 74,
    "hypervisor_hostname": 74,
    "hostname": 90,
}


@bp.post("/servers")
@require("instances:write")
@documented(
    "Create instances. Send Idempotency-Key to make a repeat harmless, or dry_run=true "
    "to be told (200) whether there is room, and operators also where and why, without doing it.",
    body=CreateServer,
    status=202,
    answer="Accepted: the instance's id; poll it until it is ACTIVE or ERROR.",
    query=("dry_run",),
    headers=(KEY_HEADER,),
)
def create_server() -> tuple[Response, int, dict[str, str]]:
    form = read(CreateServer)
    caller = current_caller()
    for name, since in FIELD_SINCE.items():
        if name in form.server.model_fields_set and minor() < since:
            raise BadRequest(
                f"Field 'server.{name}' needs microversion 2.{since}.", field=f"server.{name}"
            )
    _check_groups(caller, form)
    if flag("dry_run"):
        return _previewed(caller, form), 200, {}
    try:
        created = service.create(
            current(), caller, form.new_instance(), idempotency_key=_idempotency_key()
        )
    except NotFound as missing:
        raise BadRequest(
            missing.message, field=missing.field, next_step=missing.next_step
        ) from missing
    first = created[0]
    body = {
        "id": first.id,
        "links": plain().links("servers", first.id),
        "OS-DCF:diskConfig": "AUTO",
        "security_groups": [{"name": "default"}],
    }
    return jsonify({"server": body}), 202, {"Location": f"{public_base()}/servers/{first.id}"}


@bp.get("/servers")
@require("instances:read")
@documented("List instances: ids and names.", query=QUERY)
def list_servers() -> Response:
    found, more = listing.find(current(), current_caller(), request.args)
    bodies = [serialize.server_brief(plain(), instance) for instance in found]
    return _page("/servers", bodies, more)


@bp.get("/servers/detail")
@require("instances:read")
@documented("List instances in full.", query=QUERY)
def list_servers_in_full() -> Response:
    session, caller = current(), current_caller()
    found, more = listing.find(session, caller, request.args)
    view = view_of(session, caller, found)
    bodies = [serialize.server(view, instance) for instance in found]
    return _page("/servers/detail", bodies, more)


@bp.get("/servers/<server_id>")
@require("instances:read")
@documented("Show an instance.")
def show_server(server_id: str) -> Response:
    return _shown(server_id)


@bp.put("/servers/<server_id>")
@require("instances:write")
@documented("Rename or describe an instance.", body=UpdateServer)
def update_server(server_id: str) -> Response:
    session, caller = current(), current_caller()
    instance = queries.get(session, caller, server_id)
    form = read(UpdateServer).server
    description = form.description
    if "description" in form.model_fields_set:
        description = description or ""
    service.rename(session, caller, instance, name=form.name, description=description)
    return _shown(server_id)


@bp.delete("/servers/<server_id>")
@require("instances:write")
@documented("Delete an instance; this wins over whatever is under way.", status=204)
def delete_server(server_id: str) -> Response:
    session, caller = current(), current_caller()
    service.delete(session, caller, queries.get(session, caller, server_id))
    return empty(204)


def _previewed(caller: Caller, form: CreateServer) -> Response:
    """What creating would lead to; hosts only for operators."""
    try:
        found = previewing.preview(current(), caller, form.new_instance())
    except NotFound as missing:
        raise BadRequest(
            missing.message, field=missing.field, next_step=missing.next_step
        ) from missing
    body: dict[str, Any] = {"possible": found.possible, "message": str(found.message)}
    if caller.is_admin:
        body["placements"] = [
            {
                "host": decision.verdicts[0].host_name if decision.ranking else None,
                "hosts": [verdict.told() for verdict in decision.verdicts],
            }
            for decision in found.decisions
        ]
    return jsonify({"dry_run": body})


def _shown(server_id: str) -> Response:
    session, caller = current(), current_caller()
    instance = queries.get(session, caller, server_id)
    view = view_of(session, caller, [instance])
    return jsonify({"server": serialize.server(view, instance, alone=True)})


def _page(path: str, bodies: list[dict[str, Any]], more: bool) -> Response:
    answer: dict[str, Any] = {"servers": bodies}
    if more and bodies:
        arguments = [pair for pair in request.args.items(multi=True) if pair[0] != "marker"]
        query = urlencode([*arguments, ("marker", bodies[-1]["id"])])
        answer["servers_links"] = [{"rel": "next", "href": f"{public_base()}{path}?{query}"}]
    return jsonify(answer)


def _check_groups(caller: Caller, form: CreateServer) -> None:
    known = ("default", default_group_id(caller.project_id))
    for position, group in enumerate(form.server.security_groups):
        if group.name not in known:
            raise BadRequest(
                f"Security group {group.name!r} not found: there is only 'default'.",
                field=f"server.security_groups.{position}.name",
            )


def _idempotency_key() -> str | None:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise BadRequest(
            f"{KEY_HEADER} must be 1 to {MAX_KEY} printable ASCII characters.", field=KEY_HEADER
        )
    return key
