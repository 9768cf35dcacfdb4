"""What hangs below one server: metadata, addresses, interfaces, and empty collections."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.identity.callers import current_caller
from webcloud.instances import queries, serialize, service
from webcloud.instances.api.dialect import bp, checked, empty, minor, read
from webcloud.instances.api.views import view_of
from webcloud.instances.fields import MAX_METADATA
from webcloud.instances.forms import MetadataForm, MetaForm
from webcloud.instances.microversion import has
from webcloud.instances.models import Instance
from webcloud.networks import queries as networks
from webcloud.networks.models import Port
from webcloud.networks.serialize import default_group
from webcloud.openapi import documented
from webcloud.web import json_body, require

METADATA = "/servers/<server_id>/metadata"


@bp.get(METADATA)
@require("instances:read")
@documented("Show an instance's metadata.")
def show_metadata(server_id: str) -> Response:
    return jsonify({"metadata": _instance(server_id).user_metadata})


@bp.post(METADATA)
@require("instances:write")
@documented("Add or replace metadata items.", body=MetadataForm)
def add_metadata(server_id: str) -> Response:
    instance = _instance(server_id)
    merged = {**instance.user_metadata, **read(MetadataForm).metadata}
    return _set_metadata(instance, merged)


@bp.put(METADATA)
@require("instances:write")
@documented("Replace all metadata.", body=MetadataForm)
def replace_metadata(server_id: str) -> Response:
    instance = _instance(server_id)
    return _set_metadata(instance, read(MetadataForm).metadata)


@bp.get(f"{METADATA}/<key>")
@require("instances:read")
@documented("Show one metadata item.")
def show_metadata_item(server_id: str, key: str) -> Response:
    return jsonify({"meta": {key: _item(_instance(server_id), key)}})


@bp.put(f"{METADATA}/<key>")
@require("instances:write")
@documented("Set one metadata item.", body=MetaForm)
def set_metadata_item(server_id: str, key: str) -> Response:
    instance = _instance(server_id)
    item = checked(MetaForm, json_body()).meta
    if key not in item:
        raise BadRequest("Field 'meta' must hold the key that the address names.", field="meta")
    _set_metadata(instance, {**instance.user_metadata, **item})
    return jsonify({"meta": item})


@bp.delete(f"{METADATA}/<key>")
@require("instances:write")
@documented("Remove one metadata item.", status=204)
def delete_metadata_item(server_id: str, key: str) -> Response:
    instance = _instance(server_id)
    _item(instance, key)
    rest = {name: value for name, value in instance.user_metadata.items() if name != key}
    _set_metadata(instance, rest)
    return empty(204)


@bp.get("/servers/<server_id>/ips")
@require("instances:read")
@documented("An instance's addresses by network.")
def list_addresses(server_id: str) -> Response:
    return jsonify({"addresses": _addresses(_instance(server_id))})


@bp.get("/servers/<server_id>/ips/<network_name>")
@require("instances:read")
@documented("An instance's addresses on one network.")
def show_addresses(server_id: str, network_name: str) -> Response:
    found = _addresses(_instance(server_id))
    if network_name not in found:
        raise NotFound(f"The instance has no network called {network_name[:255]}.")
    return jsonify({network_name: found[network_name]})


@bp.get("/servers/<server_id>/os-interface")
@require("instances:read")
@documented("An instance's network cards.")
def list_interfaces(server_id: str) -> Response:
    return jsonify({"interfaceAttachments": [_interface(each) for each in _ports(server_id)]})


@bp.get("/servers/<server_id>/os-interface/<port_id>")
@require("instances:read")
@documented("One of an instance's network cards.")
def show_interface(server_id: str, port_id: str) -> Response:
    for port in _ports(server_id):
        if port.id == port_id:
            return jsonify({"interfaceAttachment": _interface(port)})
    raise NotFound(f"The instance has no port {port_id[:255]}.")


@bp.get("/servers/<server_id>/os-volume_attachments")
@require("instances:read")
@documented("An instance's volumes: none, as there is no volume service.")
def list_volumes(server_id: str) -> Response:
    _instance(server_id)
    return jsonify({"volumeAttachments": []})


@bp.get("/servers/<server_id>/os-security-groups")
@require("instances:read")
@documented("An instance's security groups.")
def list_security_groups(server_id: str) -> Response:
    group = default_group(_instance(server_id).project_id)
    body = {
        "id": group["id"],
        "name": group["name"],
        "description": group["description"],
        "tenant_id": group["project_id"],
        "rules": [],
    }
    return jsonify({"security_groups": [body]})


@bp.get("/servers/<server_id>/tags")
@require("instances:read")
@documented("An instance's tags: none can be set.")
def list_tags(server_id: str) -> Response:
    _instance(server_id)
    return jsonify({"tags": []})


def _instance(server_id: str) -> Instance:
    return queries.get(current(), current_caller(), server_id)


def _ports(server_id: str) -> list[Port]:
    instance = _instance(server_id)
    return networks.ports_of_instances(current(), [instance.id])[instance.id]


def _addresses(instance: Instance) -> dict[str, list[dict[str, Any]]]:
    view = view_of(current(), current_caller(), [instance])
    return serialize.addresses(view, view.ports[instance.id])


def _interface(port: Port) -> dict[str, Any]:
    body: dict[str, Any] = {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac,
        "port_state": "ACTIVE",
        "fixed_ips": [{"subnet_id": port.subnet_id, "ip_address": port.address}],
    }
    if has("interfaces.tag", minor()):
        body["tag"] = None
    return body


def _item(instance: Instance, key: str) -> Any:
    if key not in instance.user_metadata:
        raise NotFound(f"Metadata item {key[:255]} was not found.")
    return instance.user_metadata[key]


def _set_metadata(instance: Instance, values: dict[str, str]) -> Response:
    if len(values) > MAX_METADATA:
        raise BadRequest(f"At most {MAX_METADATA} metadata items are allowed.", field="metadata")
    service.set_metadata(current(), current_caller(), instance, values)
    return jsonify({"metadata": values})
