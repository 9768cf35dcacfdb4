"""The compute service of each host, as Nova's operators open, close and remove it.

From 2.53 a service is named by its id, before that by host and binary in
addresses of their own.  Removing the service of a host removes the host.
"""

from __future__ import annotations

from typing import Any, Literal

from flask import Response, jsonify, request
from pydantic import Field
from sqlalchemy.orm import Session

from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.hosts import presence, service, zones
from webcloud.hosts import queries as hosts
from webcloud.hosts.models import Host
from webcloud.identity.callers import current_caller
from webcloud.instances.api.dialect import bp, empty, minor, read
from webcloud.instances.fields import Description
from webcloud.instances.forms import Closed
from webcloud.instances.microversion import has
from webcloud.instances.serialize import precise
from webcloud.openapi import documented
from webcloud.web import require
from webcloud.words import say

BINARY = "nova-compute"


class ServiceForm(Closed):
    """The body of PUT /os-services/<id>: at least one of these."""

    status: Literal["enabled", "disabled"] | None = None
    disabled_reason: Description | None = None
    forced_down: bool | None = None


class NamedServiceForm(Closed):
    """The body of the older addresses: which service, and why or whether."""

    host: str = Field(max_length=255)
    binary: Literal["nova-compute"] = "nova-compute"
    disabled_reason: Description | None = None
    forced_down: bool | None = None


@bp.get("/os-services")
@require("hosts:read")
@documented("List the compute service of each host.", query=("binary", "host"))
def list_services() -> Response:
    found = hosts.list_hosts(current())
    if request.args.get("binary", BINARY) != BINARY:
        found = []
    name, zone = request.args.get("host"), zones.by_host(current())
    return jsonify(
        {"services": [_service(host, zone) for host in found if name in (None, host.name)]}
    )


@bp.put("/os-services/<host_id>")
@require("hosts:admin")
@documented("Open or close a host for new instances, or say that it is down.", body=ServiceForm)
def update_service(host_id: str) -> Response:
    session = current()
    host = hosts.get(session, host_id)
    form = read(ServiceForm)
    if form.status is None and form.forced_down is None:
        raise BadRequest("Give status, forced_down or both.", field="status")
    if form.disabled_reason is not None and form.status != "disabled":
        raise BadRequest("A reason goes with status disabled only.", field="disabled_reason")
    if form.status is not None:
        _set_enabled(session, host, form.status == "enabled", form.disabled_reason or "")
    if form.forced_down is not None:
        service.force_down(session, current_caller(), host, form.forced_down)
    return jsonify({"service": _service(host, zones.by_host(session))})


@bp.delete("/os-services/<host_id>")
@require("hosts:admin")
@documented("Remove a host that nothing is on.", status=204)
def delete_service(host_id: str) -> Response:
    service.remove(current(), current_caller(), hosts.get(current(), host_id))
    return empty(204)


@bp.put("/os-services/enable")
@require("hosts:admin")
@documented("Open a host for new instances (before 2.53).", body=NamedServiceForm)
def enable_service() -> Response:
    host, _ = _named()
    _set_enabled(current(), host, True, "")
    return jsonify({"service": {"host": host.name, "binary": BINARY, "status": "enabled"}})


@bp.put("/os-services/disable")
@require("hosts:admin")
@documented("Close a host for new instances (before 2.53).", body=NamedServiceForm)
def disable_service() -> Response:
    host, _ = _named()
    _set_enabled(current(), host, False, "")
    return jsonify({"service": {"host": host.name, "binary": BINARY, "status": "disabled"}})


@bp.put("/os-services/disable-log-reason")
@require("hosts:admin")
@documented("Close a host and say why (before 2.53).", body=NamedServiceForm)
def disable_service_and_say_why() -> Response:
    host, form = _named()
    if not form.disabled_reason:
        raise BadRequest("Say why it is closed.", field="disabled_reason")
    _set_enabled(current(), host, False, form.disabled_reason)
    told = {"host": host.name, "binary": BINARY, "status": "disabled"}
    return jsonify({"service": {**told, "disabled_reason": host.disabled_reason}})


@bp.put("/os-services/force-down")
@require("hosts:admin")
@documented("Say that a host is down, or take it back (2.11 to 2.52).", body=NamedServiceForm)
def force_service_down() -> Response:
    if not has("service.forced_down", minor()):
        raise NotFound("This address exists since microversion 2.11.")
    host, form = _named()
    if form.forced_down is None:
        raise BadRequest("Give forced_down.", field="forced_down")
    service.force_down(current(), current_caller(), host, form.forced_down)
    told = {"host": host.name, "binary": BINARY, "forced_down": host.forced_down}
    return jsonify({"service": told})


def _named() -> tuple[Host, NamedServiceForm]:
    """The host that an older client names. Raises NotFound."""
    if has("service.by_id", minor()):
        raise NotFound("This address is gone since microversion 2.53; name the service by its id.")
    form = read(NamedServiceForm)
    host = hosts.named(current(), form.host)
    if host is None:
        raise NotFound(say("There is no host {name!r}.", name=form.host))
    return host, form


def _set_enabled(session: Session, host: Host, enabled: bool, reason: str) -> None:
    if enabled:
        service.enable(session, current_caller(), host)
    else:
        service.disable(session, current_caller(), host, reason)


def _service(host: Host, zone: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": host.id,
        "binary": BINARY,
        "host": host.name,
        "zone": zone.get(host.id, zones.DEFAULT),
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if presence.is_alive(host) else "down",
        "updated_at": precise(host.last_seen_at),
        "disabled_reason": host.disabled_reason or None,
    }
    if has("service.forced_down", minor()):
        body["forced_down"] = host.forced_down
    return body
