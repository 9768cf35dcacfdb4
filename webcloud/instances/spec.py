"""Rows to the wire: what a host is told about an instance. Pure reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from agents.wire.commands import (
    Domain,
    EnsureConfigDrive,
    EnsureDisk,
    EnsureImage,
    Interface,
    bridge_name,
)
from webcloud.hosts import zones
from webcloud.images.models import Image
from webcloud.instances.models import Instance
from webcloud.networks import queries as networks
from webcloud.networks.models import Network, Port

GIB = 1024**3


def image_command(session: Session, instance: Instance) -> EnsureImage:
    image = session.get_one(Image, instance.image_id)
    return EnsureImage(
        image_id=image.id,
        sha256=image.sha256 or "",
        size=image.size or 0,
        disk_format=instance.image_format,
    )


def disk_command(instance: Instance) -> EnsureDisk:
    return EnsureDisk(
        instance_id=instance.id,
        image_id=instance.image_id,
        disk_format=instance.image_format,
        size=instance.disk_gb * GIB,
    )


def domain(
    session: Session,
    instance: Instance,
    ports: list[Port] | None = None,
    known: Mapping[str, Network] = MappingProxyType({}),
) -> Domain:
    """The guest as its host is to define it; ``ports`` and ``known`` networks save reads."""
    interfaces = []
    for port in _ports(session, instance) if ports is None else ports:
        network = known.get(port.network_id) or session.get_one(Network, port.network_id)
        interfaces.append(
            Interface(
                port_id=port.id, mac=port.mac, bridge=bridge_name(network.id), mtu=network.mtu
            )
        )
    return Domain(
        instance_id=instance.id,
        name=instance.name,
        project_id=instance.project_id,
        vcpus=instance.vcpus,
        memory_mb=instance.memory_mb,
        boot=instance.boot,
        disk_format=instance.image_format,
        image_id=instance.image_id,
        interfaces=tuple(interfaces),
    )


def config_drive_command(
    session: Session,
    instance: Instance,
    ports: list[Port] | None = None,
    *,
    zone: str | None = None,
) -> EnsureConfigDrive:
    """The config drive's files, in OpenStack's layout (also read by cloud-init and ignition).

    ``ports`` and ``zone`` save reading them.
    """
    if ports is None:
        ports = _ports(session, instance)
    if zone is None:
        # Of an instance that is being moved it is written where it will be.
        zone = zones.of_host(session, instance.target_host_id or instance.host_id)
    files = {
        "openstack/latest/meta_data.json": _json(_meta_data(instance, zone)),
        "openstack/latest/network_data.json": _json(_network_data(session, ports)),
        "openstack/latest/vendor_data.json": _json({}),
        "ec2/latest/meta-data.json": _json(_ec2_meta_data(instance, ports)),
    }
    if instance.user_data:
        files["openstack/latest/user_data"] = instance.user_data
        files["ec2/latest/user-data"] = instance.user_data
    return EnsureConfigDrive(instance_id=instance.id, files=files)


def _ports(session: Session, instance: Instance) -> list[Port]:
    return networks.ports_of_instances(session, [instance.id])[instance.id]


def _meta_data(instance: Instance, zone: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "uuid": instance.id,
        "name": instance.name,
        "hostname": instance.hostname,
        "launch_index": 0,
        "availability_zone": zone,
        "project_id": instance.project_id,
        "meta": {str(key): str(value) for key, value in instance.user_metadata.items()},
    }
    if instance.public_key and instance.key_name:
        data["public_keys"] = {instance.key_name: instance.public_key}
        data["keys"] = [{"name": instance.key_name, "type": "ssh", "data": instance.public_key}]
    return data


def _network_data(session: Session, ports: list[Port]) -> dict[str, Any]:
    links, entries = [], []
    for index, port in enumerate(ports):
        link = f"tap{index}"
        network = session.get_one(Network, port.network_id)
        links.append(
            {
                "id": link,
                "type": "bridge",
                "ethernet_mac_address": port.mac,
                "mtu": network.mtu,
                "vif_id": port.id,
            }
        )
        entries.append(
            {"id": f"network{index}", "type": "ipv4_dhcp", "link": link, "network_id": network.id}
        )
    return {"links": links, "networks": entries, "services": []}


def _ec2_meta_data(instance: Instance, ports: list[Port]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "instance-id": instance.id,
        "hostname": instance.hostname,
        "local-hostname": instance.hostname,
        "instance-type": instance.flavor_name,
    }
    if ports:
        data["local-ipv4"] = ports[0].address
    if instance.public_key and instance.key_name:
        data["public-keys"] = {"0": {"openssh-key": instance.public_key}}
    return data


def _json(value: Any) -> str:
    return base64.b64encode(json.dumps(value, sort_keys=True).encode()).decode()
