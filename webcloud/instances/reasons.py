"""The names of filters and weighers in words, for the table of why an instance is there."""

from __future__ import annotations

from flask_babel import gettext

from webcloud.words import mark

FILTERS = {
    "enabled": mark("open for instances"),
    "alive": mark("answering"),
    "described": mark("its offer is known"),
    "named_host": mark("named host"),
    "architecture": mark("architecture"),
    "hypervisor": mark("hypervisor"),
    "zone": mark("availability zone"),
    "aggregate": mark("aggregate"),
    "same_host": mark("same host"),
    "different_host": mark("different host"),
    "affinity": mark("affinity"),
    "anti_affinity": mark("anti-affinity"),
    "memory": mark("memory"),
    "cpu": mark("vCPUs"),
    "disk": mark("disk"),
    "claim": mark("claim"),
    "move": mark("possible by a move"),
}
WEIGHERS = {
    "spread": mark("free memory"),
    "pack": mark("full already"),
    "image_cached": mark("has the image"),
    "soft_affinity": mark("server group"),
}


def filter_words(name: str) -> str:
    """A filter's name; one of an earlier version as it was kept."""
    return str(gettext(FILTERS.get(name, name)))


def weigher_words(name: str) -> str:
    """The same for a weigher."""
    return str(gettext(WEIGHERS.get(name, name)))
