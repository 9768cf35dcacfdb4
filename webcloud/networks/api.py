"""The network API: enough of Neutron v2.0 for stock clients to work with instances.

Networks, subnets and ports can be read; projects' own networks, routers,
security groups and floating IPs cannot be made, so their collections are
empty and answer 405 to changes.  Errors are in Neutron's shape.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from webcloud.db import current
from webcloud.errors import NotFound, WebcloudError
from webcloud.identity.callers import current_caller
from webcloud.networks import queries, quota_api, selection, serialize
from webcloud.openapi import documented
from webcloud.web import add_dialect, edge, require

PREFIX = "/network"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


QUERY = ("name", "id", "project_id", "fields", "limit", "marker", "sort_key", "sort_dir")
NOTHING: frozenset[str] = frozenset({"id", "name", "project_id", "tenant_id", "status"})
EMPTY_FILTERS = {
    "routers": NOTHING,
    "floatingips": NOTHING
    | {"port_id", "floating_ip_address", "fixed_ip_address", "floating_network_id", "router_id"},
}
NETWORK_FIELDS = _words(
    "id name description status admin_state_up shared is_default router:external mtu "
    "project_id tenant_id port_security_enabled subnets tags"
)
SUBNET_FIELDS = _words(
    "id name description network_id cidr ip_version gateway_ip enable_dhcp project_id "
    "tenant_id tags"
)
PORT_FIELDS = _words(
    "id name description network_id mac_address fixed_ips device_id device_owner status "
    "admin_state_up security_groups project_id tenant_id tags"
)
GROUP_FIELDS = _words("id name description project_id tenant_id shared stateful tags")
RULE_FIELDS = _words(
    "id security_group_id direction ethertype protocol remote_ip_prefix remote_group_id "
    "port_range_min port_range_max project_id tenant_id description"
)

bp = Blueprint("network_api", __name__, url_prefix=PREFIX)
ERROR_TYPES = {
    400: "HTTPBadRequest",
    401: "HTTPUnauthorized",
    403: "PolicyNotAuthorized",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    409: "Conflict",
}


def register(app: Flask) -> None:
    """Add the routes and Neutron's way of telling errors."""
    app.register_blueprint(bp)
    app.register_blueprint(quota_api.bp)
    add_dialect(app, PREFIX, render_error)


def render_error(error: WebcloudError, rid: str) -> Response:
    """``{"NeutronError": {"type", "message", "detail"}}``."""
    message = error.full_message
    if error.status == 405:
        message = f"This cloud does not offer {request.method} on {request.path[:200]}."
    kind = ERROR_TYPES.get(error.status, "HTTPError" if error.status < 500 else "ServerError")
    detail = f"field: {error.field}" if error.field else ""
    return jsonify({"NeutronError": {"type": kind, "message": message, "detail": detail}})


@bp.get("", strict_slashes=False)
@require("public", transaction=False)
@documented("The versions of the network API.")
def versions() -> Response:
    link = {"rel": "self", "href": f"{edge().config.public_url}{PREFIX}/v2.0/"}
    return jsonify({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})


@bp.get("/v2.0", strict_slashes=False)
@require("public", transaction=False)
@documented("What version 2.0 of the network API holds.")
def resources() -> Response:
    base = f"{edge().config.public_url}{PREFIX}/v2.0"
    names = ("network", "subnet", "port", "security-group")
    return jsonify(
        {
            "resources": [
                {
                    "name": name.replace("-", "_"),
                    "collection": f"{name.replace('-', '_')}s",
                    "links": [{"rel": "self", "href": f"{base}/{name}s"}],
                }
                for name in names
            ]
        }
    )


@bp.get("/v2.0/networks")
@require("networks:read")
@documented("List networks.", query=QUERY)
def list_networks() -> Response:
    return jsonify({"networks": _select(_networks(), NETWORK_FIELDS)})


@bp.get("/v2.0/networks/<network_id>")
@require("networks:read")
@documented("Show a network.")
def show_network(network_id: str) -> Response:
    return jsonify({"network": _one("Network", network_id, _networks())})


@bp.get("/v2.0/subnets")
@require("networks:read")
@documented("List subnets.", query=(*QUERY, "network_id"))
def list_subnets() -> Response:
    return jsonify({"subnets": _select(_subnets(), SUBNET_FIELDS)})


@bp.get("/v2.0/subnets/<subnet_id>")
@require("networks:read")
@documented("Show a subnet.")
def show_subnet(subnet_id: str) -> Response:
    return jsonify({"subnet": _one("Subnet", subnet_id, _subnets())})


@bp.get("/v2.0/ports")
@require("networks:read")
@documented("List ports.", query=(*QUERY, "device_id", "network_id", "fixed_ips"))
def list_ports() -> Response:
    # Clients ask once per instance, so this filter is the database's work.
    devices = [device for device in request.args.getlist("device_id") if device]
    return jsonify({"ports": _select(_ports(devices or None), PORT_FIELDS)})


@bp.get("/v2.0/ports/<port_id>")
@require("networks:read")
@documented("Show a port.")
def show_port(port_id: str) -> Response:
    return jsonify({"port": _one("Port", port_id, _ports())})


@bp.get("/v2.0/security-groups")
@require("networks:read")
@documented("List security groups: the one called default.", query=QUERY)
def list_groups() -> Response:
    group = serialize.default_group(current_caller().project_id)
    return jsonify({"security_groups": _select([group], GROUP_FIELDS)})


@bp.get("/v2.0/security-groups/<group_id>")
@require("networks:read")
@documented("Show a security group.")
def show_group(group_id: str) -> Response:
    group = serialize.default_group(current_caller().project_id)
    return jsonify({"security_group": _one("Security group", group_id, [group])})


@bp.get("/v2.0/security-group-rules")
@require("networks:read")
@documented("List the rules of security groups.", query=("security_group_id", "direction"))
def list_rules() -> Response:
    rules = serialize.default_rules(current_caller().project_id)
    return jsonify({"security_group_rules": _select(rules, RULE_FIELDS)})


@bp.get("/v2.0/<any(routers, floatingips):collection>")
@require("networks:read")
@documented("Routers and floating IPs: there are none.")
def list_nothing(collection: str) -> Response:
    return jsonify({collection: _select([], EMPTY_FILTERS[collection])})


@bp.get("/v2.0/<any(routers, floatingips):collection>/<resource_id>")
@require("networks:read")
@documented("Show a router or floating IP: there are none.")
def show_nothing(collection: str, resource_id: str) -> Response:
    _one(collection.removesuffix("s").capitalize(), resource_id, [])
    return jsonify({})


@bp.get("/v2.0/extensions")
@require("networks:read")
@documented("List extensions: there are none.")
def list_extensions() -> Response:
    return jsonify({"extensions": []})


@bp.get("/v2.0/extensions/<path:alias>")
@require("networks:read")
@documented("Show an extension: clients ask for one to learn that it is not there.")
def show_extension(alias: str) -> Response:
    raise NotFound(f"Extension with alias {alias[:80]} does not exist.")


def _networks() -> list[dict[str, Any]]:
    session, caller = current(), current_caller()
    subnets: dict[str, list[str]] = {}
    for subnet in queries.list_subnets(session, caller):
        subnets.setdefault(subnet.network_id, []).append(subnet.id)
    return [
        serialize.network_body(network, subnets.get(network.id, []))
        for network in queries.list_networks(session, caller)
    ]


def _subnets() -> list[dict[str, Any]]:
    session, caller = current(), current_caller()
    owners = {network.id: network.project_id for network in queries.list_networks(session, caller)}
    return [
        serialize.subnet_body(subnet, owners[subnet.network_id])
        for subnet in queries.list_subnets(session, caller)
    ]


def _ports(instance_ids: list[str] | None = None) -> list[dict[str, Any]]:
    found = queries.list_ports(current(), current_caller(), instance_ids=instance_ids)
    return [serialize.port_body(port) for port in found]


def _select(bodies: list[dict[str, Any]], known: frozenset[str]) -> list[dict[str, Any]]:
    return selection.select(bodies, request.args, known)


def _one(kind: str, wanted: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    for body in bodies:
        if body["id"] == wanted:
            return body
    raise NotFound(f"{kind} {wanted[:255]} could not be found.")
