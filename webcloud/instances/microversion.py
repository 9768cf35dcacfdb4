"""Nova's microversions 2.1 to 2.96: which one is asked for, and what it changes.

A client names the version in ``OpenStack-API-Version: compute 2.X`` or in the
older ``X-OpenStack-Nova-API-Version: 2.X``; without either it gets 2.1.
``latest`` is the newest.  Source: "REST API Version History" of Nova.
Versions past 2.96 change shapes again and are refused.
"""

from __future__ import annotations

import re
from typing import Protocol

from webcloud.errors import BadRequest, NotAcceptable

OLDEST = 1
NEWEST = 96
HEADER = "OpenStack-API-Version"
OLD_HEADER = "X-OpenStack-Nova-API-Version"
VERSION = re.compile(r"([1-9]\d*)\.([1-9]\d*|0)")

# What first appeared (or changed its shape) in 2.N.
SINCE = {
    "keypair.type": 2,
    "server.extended_attributes": 3,
    "server.locked": 9,
    "service.forced_down": 11,
    "group.project": 13,
    "group.soft": 15,
    "server.host_status": 16,
    "server.description": 19,
    "server.tags": 26,
    "limits.without_networks": 36,
    "aggregate.uuid": 41,
    "flavor.embedded": 47,
    "actions.updated": 51,
    "service.by_id": 53,
    "flavor.description": 55,
    "quota.without_files": 57,
    "flavor.extra_specs": 61,
    "actions.host_id": 62,
    "server.trusted_certificates": 63,
    "group.rules": 64,
    "interfaces.tag": 70,
    "server.groups": 71,
    "server.locked_reason": 73,
    "flavor.swap_as_number": 75,
    "hypervisor.servers_always": 75,
    "actions.details": 84,
    "hypervisor.slim": 88,
    "server.hostname": 90,
    "keypair.no_generation": 92,
    "server.pinned_zone": 96,
}


class HeaderMap(Protocol):
    """Request headers: looked up whatever their case."""

    def get(self, key: str, /) -> str | None: ...


def has(feature: str, minor: int) -> bool:
    """Whether version 2.``minor`` has the feature (a key of SINCE)."""
    return minor >= SINCE[feature]


def text(minor: int) -> str:
    """ "2.N", as clients write it."""
    return f"2.{minor}"


def requested(headers: HeaderMap) -> int:
    """The minor version these headers ask for.

    Raises BadRequest for one that cannot be read, NotAcceptable for one
    outside 2.1 to 2.96.
    """
    wanted = _wanted(headers)
    if wanted is None:
        return OLDEST
    if wanted == "latest":
        return NEWEST
    match = VERSION.fullmatch(wanted)
    if match is None or len(wanted) > 16:
        raise BadRequest(
            f"The API version {wanted[:40]!r} cannot be read.",
            next_step="Versions look like 2.96, or say latest.",
        )
    major, minor = int(match[1]), int(match[2])
    if major != 2 or not OLDEST <= minor <= NEWEST:
        raise NotAcceptable(
            f"Version {wanted} is not supported by the API. "
            f"Minimum is {text(OLDEST)} and maximum is {text(NEWEST)}."
        )
    return minor


def _wanted(headers: HeaderMap) -> str | None:
    for part in (headers.get(HEADER) or "").split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() in ("compute", "nova"):
            return version.strip()
    old = headers.get(OLD_HEADER)
    return old.strip() if old is not None else None
