"""Availability zones, in Nova's shape. Members see names, operators also hosts."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from webcloud.db import current
from webcloud.hosts import presence, zones
from webcloud.hosts.zones import Zone
from webcloud.instances.api.dialect import bp
from webcloud.instances.api.services import BINARY
from webcloud.instances.serialize import precise
from webcloud.openapi import documented
from webcloud.web import require


@bp.get("/os-availability-zone")
@require("instances:read")
@documented("List availability zones.")
def list_zones() -> Response:
    found = [_zone(zone, None) for zone in zones.list_zones(current())]
    return jsonify({"availabilityZoneInfo": found})


@bp.get("/os-availability-zone/detail")
@require("hosts:read")
@documented("List availability zones with their hosts.")
def list_zones_in_full() -> Response:
    found = [_zone(zone, _members(zone)) for zone in zones.list_zones(current())]
    return jsonify({"availabilityZoneInfo": found})


def _zone(zone: Zone, members: dict[str, Any] | None) -> dict[str, Any]:
    return {"zoneName": zone.name, "zoneState": {"available": zone.available}, "hosts": members}


def _members(zone: Zone) -> dict[str, Any]:
    return {
        host.name: {
            BINARY: {
                "available": presence.is_alive(host),
                "active": host.enabled,
                "updated_at": precise(host.last_seen_at),
            }
        }
        for host in zone.hosts
    }
