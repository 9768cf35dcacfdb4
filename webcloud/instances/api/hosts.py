"""Hosts as Nova's hypervisors; ``services`` and ``zones`` have the rest."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from sqlalchemy import func, select

from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.hosts import presence
from webcloud.hosts import queries as hosts
from webcloud.hosts.capacity import GIB
from webcloud.hosts.models import Host
from webcloud.instances import queries
from webcloud.instances.api.dialect import bp, flag, limit, minor
from webcloud.instances.microversion import has
from webcloud.instances.models import Instance
from webcloud.instances.serialize import stamp
from webcloud.openapi import documented
from webcloud.web import require

BINARY = "nova-compute"
QUERY = ("hypervisor_hostname_pattern", "with_servers", "limit", "marker")


@bp.get("/os-hypervisors")
@require("hosts:read")
@documented("List hosts.", query=QUERY)
def list_hypervisors() -> Response:
    return jsonify({"hypervisors": [_with_servers(_brief(host), host) for host in _matching()]})


@bp.get("/os-hypervisors/detail")
@require("hosts:read")
@documented("List hosts in full.", query=QUERY)
def list_hypervisors_in_full() -> Response:
    return jsonify({"hypervisors": [_with_servers(_full(host), host) for host in _matching()]})


@bp.get("/os-hypervisors/<host_id>")
@require("hosts:read")
@documented("Show a host.", query=("with_servers",))
def show_hypervisor(host_id: str) -> Response:
    host = hosts.get(current(), host_id)
    return jsonify({"hypervisor": _with_servers(_full(host), host)})


@bp.get("/os-hypervisors/<host_id>/uptime")
@require("hosts:read")
@documented("Show since when a host is up (before 2.88).")
def show_uptime(host_id: str) -> Response:
    _before_slim()
    host = hosts.get(current(), host_id)
    return jsonify({"hypervisor": {**_brief(host), "uptime": uptime(host)}})


@bp.get("/os-hypervisors/statistics")
@require("hosts:read")
@documented("Sums over all hosts that are open (before 2.88).")
def show_statistics() -> Response:
    _before_slim()
    rows = [_sizes(host) for host in hosts.list_hosts(current()) if host.enabled]
    names = [name for name in _sizes(Host()) if name != "cpu_info"]
    sums = {name: sum(row[name] for row in rows) for name in names}
    return jsonify({"hypervisor_statistics": {"count": len(rows), **sums}})


def _matching() -> list[Host]:
    """One page of the hosts whose name holds the pattern, which is taken literally."""
    pattern = request.args.get("hypervisor_hostname_pattern", "")
    found = [host for host in hosts.list_hosts(current()) if pattern in host.name]
    if pattern and not found:
        raise NotFound(f"No hypervisor matching {pattern[:80]!r} could be found.")
    marker = request.args.get("marker")
    if marker is not None:
        ids = [host.id for host in found]
        if marker not in ids:
            raise BadRequest("The marker is not a host of this list.", field="marker")
        found = found[ids.index(marker) + 1 :]
    return found[: limit()]


def _state(host: Host) -> str:
    return "up" if presence.is_alive(host) else "down"


def _status(host: Host) -> str:
    return "enabled" if host.enabled else "disabled"


def _brief(host: Host) -> dict[str, Any]:
    return {
        "id": host.id,
        "hypervisor_hostname": host.name,
        "state": _state(host),
        "status": _status(host),
    }


def _full(host: Host) -> dict[str, Any]:
    body = {
        **_brief(host),
        "hypervisor_type": "QEMU" if host.hypervisor in ("kvm", "qemu") else host.hypervisor,
        "hypervisor_version": _number(host.known_versions.get("hypervisor", "")),
        "host_ip": host.address,
        "service": {
            "id": host.id,
            "host": host.name,
            "disabled_reason": host.disabled_reason or None,
        },
    }
    if has("hypervisor.slim", minor()):
        return {**body, "uptime": uptime(host)}
    return {**body, **_sizes(host), "cpu_info": {"arch": host.architecture}}


def _sizes(host: Host) -> dict[str, int]:
    """What is offered and promised; what has never been told counts as nothing."""
    memory, used = host.memory_mb or 0, host.allocated_memory_mb or 0
    disk, disk_used = (host.disk_total or 0) // GIB, host.allocated_disk_gb or 0
    return {
        "vcpus": host.vcpus or 0,
        "vcpus_used": host.allocated_vcpus or 0,
        "memory_mb": memory,
        "memory_mb_used": used,
        "free_ram_mb": memory - used,
        "local_gb": disk,
        "local_gb_used": disk_used,
        "free_disk_gb": disk - disk_used,
        "disk_available_least": (host.disk_free or 0) // GIB,
        "current_workload": 0,
        "running_vms": _running(host),
    }


def uptime(host: Host) -> str | None:
    """Since when it is heard, in words; None while it is not."""
    if not presence.is_alive(host):
        return None
    since = host.joined_at if host.booted_at is None else host.booted_at
    return f"up since {stamp(since)}"


def _before_slim() -> None:
    if has("hypervisor.slim", minor()):
        raise NotFound("This address is gone since microversion 2.88.")


def _with_servers(body: dict[str, Any], host: Host) -> dict[str, Any]:
    if not flag("with_servers"):
        return body
    servers = [{"uuid": each.id, "name": each.name} for each in queries.on_host(current(), host.id)]
    if not servers and not has("hypervisor.servers_always", minor()):
        return body
    return {**body, "servers": servers}


def _running(host: Host) -> int:
    query = select(func.count(Instance.id)).where(
        Instance.host_id == host.id, Instance.observed_power == "running"
    )
    return current().scalar(query) or 0


def _number(version: str) -> int:
    """7.2.1 as 7002001, the form libvirt and Nova use."""
    parts = [int(part) for part in version.split(".")[:3] if part.isdigit()]
    parts += [0] * (3 - len(parts))
    return parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2]
