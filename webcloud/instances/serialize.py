"""Instances, flavors and key pairs in the shapes of Nova's API, by microversion.

A ``View`` holds what one answer needs besides the rows, read once for a
whole list, so that serializing never queries.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webcloud.conductor.models import OperationRow
from webcloud.hosts import zones
from webcloud.instances import states
from webcloud.instances.microversion import has
from webcloud.instances.models import Flavor, Instance, KeyPair
from webcloud.networks.models import Port


@dataclass(frozen=True)
class View:
    """What an answer is made with: version, links, and what surrounds the instances."""

    minor: int
    base: str  # the compute API's address, without a slash at its end
    is_admin: bool = False
    ports: dict[str, list[Port]] = field(default_factory=dict)  # by instance id
    network_names: dict[str, str] = field(default_factory=dict)
    host_names: dict[str, str] = field(default_factory=dict)
    hosts_up: frozenset[str] = frozenset()
    zones: dict[str, str] = field(default_factory=dict)  # by host id, but for the default one
    operations: dict[str, OperationRow] = field(default_factory=dict)  # by instance id

    def has(self, feature: str) -> bool:
        return has(feature, self.minor)

    def links(self, collection: str, item_id: str) -> list[dict[str, str]]:
        root = self.base.rsplit("/", 1)[0]
        return [
            {"rel": "self", "href": f"{self.base}/{collection}/{item_id}"},
            {"rel": "bookmark", "href": f"{root}/{collection}/{item_id}"},
        ]


def stamp(moment: datetime | None) -> str | None:
    """UTC with a Z, to the second."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def precise(moment: datetime | None) -> str | None:
    """UTC with microseconds and no zone, as Nova writes some of its times."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def server_brief(view: View, instance: Instance) -> dict[str, Any]:
    """id, name and links."""
    return {
        "id": instance.id,
        "name": instance.name,
        "links": view.links("servers", instance.id),
    }


def server(view: View, instance: Instance, *, alone: bool = False) -> dict[str, Any]:
    """Everything about an instance; ``alone`` adds what lists leave out."""
    status = states.describe(instance, view.operations.get(instance.id))
    ports = view.ports.get(instance.id, [])
    body: dict[str, Any] = {
        **server_brief(view, instance),
        "status": status.status,
        "tenant_id": instance.project_id,
        "user_id": instance.user_id,
        "metadata": instance.user_metadata,
        "hostId": host_digest(instance),
        "image": {
            "id": instance.image_id,
            "links": [
                {
                    "rel": "bookmark",
                    "href": f"{view.base.rsplit('/', 1)[0]}/images/{instance.image_id}",
                }
            ],
        },
        "flavor": _flavor_of(view, instance),
        "created": stamp(instance.created_at),
        "updated": stamp(instance.updated_at),
        "addresses": addresses(view, ports),
        "accessIPv4": "",
        "accessIPv6": "",
        "OS-DCF:diskConfig": "AUTO",
        "OS-EXT-AZ:availability_zone": zone_of(view, instance),
        "config_drive": "True",
        "key_name": instance.key_name,
        "OS-SRV-USG:launched_at": precise(instance.launched_at),
        "OS-SRV-USG:terminated_at": precise(instance.deleted_at),
        "OS-EXT-STS:task_state": status.task_state,
        "OS-EXT-STS:vm_state": status.vm_state,
        "OS-EXT-STS:power_state": status.power_state,
        "os-extended-volumes:volumes_attached": [],
    }
    if ports:
        body["security_groups"] = [{"name": "default"} for _ in ports]
    if status.status in ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT"):
        body["progress"] = 0 if status.status == "BUILD" else 100
        if status.status == "BUILD" and status.progress is not None:
            body["progress"] = int(status.progress * 100)
    if status.status == "ERROR" and instance.fault:
        body["fault"] = _fault(instance.fault)
    body.update(_since(view, instance, alone=alone))
    if view.is_admin:
        body.update(_for_operators(view, instance))
    return body


def host_digest(instance: Instance) -> str:
    """Tells users which of their instances share a host, without naming it."""
    if instance.host_id is None:
        return ""
    text = f"{instance.project_id}{instance.host_id}"
    return hashlib.sha224(text.encode()).hexdigest()


def pinned_zone(instance: Instance) -> str | None:
    """The availability zone that was asked for."""
    zone: str | None = (instance.wishes or {}).get("zone")
    return zone


def zone_of(view: View, instance: Instance) -> str:
    """The zone of its host; before it has one, the zone that was asked for."""
    if instance.host_id is None:
        return pinned_zone(instance) or ""
    return view.zones.get(instance.host_id, zones.DEFAULT)


def addresses(view: View, ports: list[Port]) -> dict[str, list[dict[str, Any]]]:
    """Addresses by network name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        name = view.network_names.get(port.network_id, port.network_id)
        found.setdefault(name, []).append(
            {
                "version": 4,
                "addr": port.address,
                "OS-EXT-IPS:type": "fixed",
                "OS-EXT-IPS-MAC:mac_addr": port.mac,
            }
        )
    return found


def _since(view: View, instance: Instance, *, alone: bool) -> dict[str, Any]:
    """The members that later microversions added."""
    members: dict[str, tuple[str, Any]] = {
        "locked": ("server.locked", False),
        "description": ("server.description", instance.description or None),
        "tags": ("server.tags", []),
        "trusted_image_certificates": ("server.trusted_certificates", None),
        "locked_reason": ("server.locked_reason", None),
        "OS-EXT-SRV-ATTR:hostname": ("server.hostname", instance.hostname),
        "pinned_availability_zone": ("server.pinned_zone", pinned_zone(instance)),
    }
    if alone:
        group_id = instance.server_group_id
        members["server_groups"] = ("server.groups", [group_id] if group_id else [])
    return {name: value for name, (feature, value) in members.items() if view.has(feature)}


def _for_operators(view: View, instance: Instance) -> dict[str, Any]:
    host = view.host_names.get(instance.host_id or "")
    body: dict[str, Any] = {
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        "OS-EXT-SRV-ATTR:instance_name": instance.id,
    }
    if view.has("server.extended_attributes"):
        body.update(
            {
                "OS-EXT-SRV-ATTR:hostname": instance.hostname,
                "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
                "OS-EXT-SRV-ATTR:launch_index": 0,
                "OS-EXT-SRV-ATTR:kernel_id": "",
                "OS-EXT-SRV-ATTR:ramdisk_id": "",
                "OS-EXT-SRV-ATTR:reservation_id": "",
                "OS-EXT-SRV-ATTR:user_data": instance.user_data,
            }
        )
    if view.has("server.host_status"):
        up = instance.host_id in view.hosts_up
        body["host_status"] = "" if instance.host_id is None else "UP" if up else "UNKNOWN"
    return body


def _flavor_of(view: View, instance: Instance) -> dict[str, Any]:
    if not view.has("flavor.embedded"):
        links = view.links("flavors", instance.flavor_id)[1:]
        return {"id": instance.flavor_id, "links": links}
    return {
        "original_name": instance.flavor_name,
        "vcpus": instance.vcpus,
        "ram": instance.memory_mb,
        "disk": instance.disk_gb,
        "ephemeral": 0,
        "swap": 0,
    }


def _fault(fault: dict[str, Any]) -> dict[str, Any]:
    """Why the last operation failed: its stable code, then the words for people."""
    return {
        "code": 500,
        "created": stamp(datetime.fromisoformat(fault["at"])),
        "message": f"{fault['code']}: {fault['message']}",
    }


def flavor(view: View, row: Flavor, *, extra_specs: bool = True) -> dict[str, Any]:
    """A flavor in full."""
    default_swap: Any = 0 if view.has("flavor.swap_as_number") else ""
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "vcpus": row.vcpus,
        "ram": row.memory_mb,
        "disk": row.disk_gb,
        "swap": default_swap,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": row.is_public,
        "rxtx_factor": 1.0,
        "links": view.links("flavors", row.id),
    }
    if view.has("flavor.description"):
        body["description"] = row.description or None
    if extra_specs and view.has("flavor.extra_specs"):
        body["extra_specs"] = row.extra_specs
    return body


def flavor_brief(view: View, row: Flavor) -> dict[str, Any]:
    """id, name and links."""
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "links": view.links("flavors", row.id),
    }
    if view.has("flavor.description"):
        body["description"] = row.description or None
    return body


def key_pair(view: View, row: KeyPair) -> dict[str, Any]:
    """A key pair as lists show it."""
    body = {"name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint}
    if view.has("keypair.type"):
        body["type"] = row.kind
    return body
