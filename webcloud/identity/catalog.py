"""The service catalog: what clients find where, worked out from the public address.

One region, and the same address for every interface: there is one port.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from webcloud.config import Config

INTERFACES = ("public", "internal", "admin")
_IDS = uuid.UUID("5c1f6a52-5d0b-4a38-9a55-0f0c2b8c7a10")


@dataclass(frozen=True)
class Service:
    """One entry of the catalog; ``path`` is below the public address."""

    type: str
    name: str
    path: str

    @property
    def id(self) -> str:
        return str(uuid.uuid5(_IDS, self.type))


SERVICES = (
    Service("identity", "keystone", "/identity"),
    Service("compute", "nova", "/compute/v2.1"),
    Service("image", "glance", "/image"),
    Service("network", "neutron", "/network"),
)


def catalog(config: Config) -> list[dict[str, Any]]:
    """The ``catalog`` of a token."""
    return [
        {
            "id": service.id,
            "type": service.type,
            "name": service.name,
            "endpoints": [
                {key: one[key] for key in ("id", "interface", "region", "region_id", "url")}
                for one in endpoints(config)
                if one["service_id"] == service.id
            ],
        }
        for service in SERVICES
    ]


def endpoints(config: Config) -> list[dict[str, Any]]:
    """Every endpoint of every service."""
    return [
        {
            "id": str(uuid.uuid5(_IDS, f"{service.type}:{interface}")),
            "service_id": service.id,
            "interface": interface,
            "region": config.region,
            "region_id": config.region,
            "url": f"{config.public_url}{service.path}",
            "enabled": True,
        }
        for service in SERVICES
        for interface in INTERFACES
    ]
