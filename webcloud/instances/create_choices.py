"""What the create form offers, and what of it is chosen from the start.

A name that is free, the first image, the smallest flavor that takes it and is
within the quota, the default network: the form can be sent as it comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from flask_babel import gettext
from sqlalchemy.orm import Session

from webcloud.hosts import queries as hosts
from webcloud.hosts import zones
from webcloud.identity import quotas
from webcloud.identity.callers import Caller
from webcloud.identity.quotas import Usage
from webcloud.images import queries as images
from webcloud.images.models import Image
from webcloud.instances import flavors, key_pairs, queries, server_groups
from webcloud.instances.models import Flavor, Instance, KeyPair, ServerGroup
from webcloud.networks import queries as networks
from webcloud.networks.models import Network

GIB = 1024**3


@dataclass(frozen=True)
class FlavorChoice:
    """A flavor card; ``refusal`` says why it cannot be chosen now."""

    flavor: Flavor
    refusal: str = ""


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, and what of it is chosen.

    ``copies`` counts on how many of the ``hosts`` each image is there already.
    """

    images: list[Image]
    flavors: list[FlavorChoice]
    networks: list[Network]
    key_pairs: list[KeyPair]
    quota: dict[str, Usage]
    zones: list[str]
    groups: list[ServerGroup]
    values: dict[str, str] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    hosts: int = 0


def offered(session: Session, caller: Caller, values: dict[str, str]) -> Choices:
    """``values`` is what was sent, if anything was: it stays chosen."""
    ready = [image for image in images.list_images(session, caller) if image.status == "active"]
    nets = networks.list_networks(session, caller)
    pairs = key_pairs.list_key_pairs(session, caller)
    quota = quotas.usage(session, caller.project_id)
    filled = {
        "name": _free_name(session, caller),
        "image_id": ready[0].id if ready else "",
        "network_id": next((net.id for net in nets if net.is_default), ""),
        "key_mode": "existing" if pairs else "none",
        "key_name": pairs[0].name if pairs else "",
        **values,
    }
    image = next((each for each in ready if each.id == filled["image_id"]), None)
    sizes = [
        FlavorChoice(flavor, _refusal(flavor, quota))
        for flavor in flavors.list_flavors(session, caller)
    ]
    if "flavor_id" not in filled:
        fitting = [one.flavor.id for one in sizes if not one.refusal and _fits(one.flavor, image)]
        filled["flavor_id"] = fitting[0] if fitting else ""
    copies, count = hosts.image_copies(session)
    return Choices(
        ready,
        sizes,
        nets,
        pairs,
        quota,
        zones=[zone.name for zone in zones.list_zones(session)],
        groups=server_groups.list_groups(session, caller),
        values=filled,
        copies=copies,
        hosts=count,
    )


def _free_name(session: Session, caller: Caller) -> str:
    """A name that is free in the project: vm-1, vm-2, …"""
    names = (
        queries.visible(caller)
        .with_only_columns(Instance.name)
        .where(Instance.deleted_at.is_(None), Instance.name.startswith("vm-"))
    )
    taken = set(session.scalars(names))
    number = 1
    while f"vm-{number}" in taken:
        number += 1
    return f"vm-{number}"


def _fits(flavor: Flavor, image: Image | None) -> bool:
    if image is None:
        return True
    disk = max(image.virtual_size or 0, image.min_disk_gb * GIB)
    enough = image.disk_format == "iso" or disk <= flavor.disk_gb * GIB
    return enough and image.min_memory_mb <= flavor.memory_mb


def _refusal(flavor: Flavor, quota: dict[str, Usage]) -> str:
    wants = {"vcpus": flavor.vcpus, "memory_mb": flavor.memory_mb, "disk_gb": flavor.disk_gb}
    for resource, amount in wants.items():
        left = quota[resource].left
        if left is not None and amount > left:
            return str(gettext("Over the project's quota"))
    return ""
