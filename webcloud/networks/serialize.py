"""Networks, subnets and ports in the shapes of Neutron's API v2.0.

The one security group is not a row: until there are rules to store, every
port is open, and the group says so.  Nothing keeps a guest from sending with
another's address yet either, so no port claims ``port_security_enabled``.
The group's id is derived from the project's, so that clients can name it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from webcloud.networks.models import Network, Port, Subnet

GROUP_NAMESPACE = uuid.UUID("6f1d3b52-52a5-4cde-9d55-0d8e4c1f7f0a")
DIRECTIONS = ("egress", "ingress")


def stamp(moment: datetime) -> str:
    """UTC with a Z, to the second, as OpenStack writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def network_body(network: Network, subnet_ids: list[str]) -> dict[str, Any]:
    """A network; ``subnet_ids`` are its subnets."""
    return {
        "id": network.id,
        "name": network.name,
        "description": "",
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": network.shared,
        "is_default": network.is_default,
        "router:external": False,
        "mtu": network.mtu,
        "subnets": subnet_ids,
        "port_security_enabled": False,
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "tags": [],
        **_owner(network.project_id),
        **_times(network.created_at, network.updated_at),
    }


def subnet_body(subnet: Subnet, project_id: str) -> dict[str, Any]:
    """A subnet, which belongs to its network's project."""
    return {
        "id": subnet.id,
        "name": subnet.name,
        "description": "",
        "network_id": subnet.network_id,
        "cidr": subnet.cidr,
        "ip_version": 4,
        "gateway_ip": subnet.gateway,
        "enable_dhcp": True,
        "dns_nameservers": [name.strip() for name in subnet.dns.split(",") if name.strip()],
        "allocation_pools": [{"start": subnet.first, "end": subnet.last}],
        "host_routes": [],
        "tags": [],
        **_owner(project_id),
        **_times(subnet.created_at, subnet.created_at),
    }


def port_body(port: Port) -> dict[str, Any]:
    """A port. ``status`` says whether something is plugged in, not whether it runs."""
    return {
        "id": port.id,
        "name": port.name,
        "description": "",
        "network_id": port.network_id,
        "mac_address": port.mac,
        "fixed_ips": [{"subnet_id": port.subnet_id, "ip_address": port.address}],
        "device_id": port.instance_id or "",
        "device_owner": "compute:nova" if port.instance_id else "",
        "status": "ACTIVE" if port.instance_id else "DOWN",
        "admin_state_up": True,
        "security_groups": [default_group_id(port.project_id)],
        "port_security_enabled": False,
        "allowed_address_pairs": [],
        "binding:vnic_type": "normal",
        "tags": [],
        **_owner(port.project_id),
        **_times(port.created_at, port.updated_at),
    }


def default_group_id(project_id: str) -> str:
    """The id of a project's security group ``default``."""
    return str(uuid.uuid5(GROUP_NAMESPACE, project_id))


def default_group(project_id: str) -> dict[str, Any]:
    """The project's one security group, with its rules."""
    return {
        "id": default_group_id(project_id),
        "name": "default",
        "description": "Everything is allowed in and out.",
        "stateful": True,
        "shared": False,
        "tags": [],
        "security_group_rules": default_rules(project_id),
        **_owner(project_id),
    }


def default_rules(project_id: str) -> list[dict[str, Any]]:
    """Both rules of the security group ``default``."""
    group_id = default_group_id(project_id)
    return [
        {
            "id": str(uuid.uuid5(GROUP_NAMESPACE, f"{project_id} {direction}")),
            "security_group_id": group_id,
            "direction": direction,
            "ethertype": "IPv4",
            "protocol": None,
            "port_range_min": None,
            "port_range_max": None,
            "remote_ip_prefix": "0.0.0.0/0",
            "remote_group_id": None,
            "remote_address_group_id": None,
            "description": "",
            "belongs_to_default_sg": True,
            **_owner(project_id),
        }
        for direction in DIRECTIONS
    ]


def _owner(project_id: str) -> dict[str, str]:
    return {"project_id": project_id, "tenant_id": project_id}


def _times(created: datetime, updated: datetime) -> dict[str, str]:
    return {"created_at": stamp(created), "updated_at": stamp(updated)}
