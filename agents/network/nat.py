"""Guests reach the world under the host's address.

One table per network, so that a network is replaced or removed in one atomic
step and a broken one harms no other.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from agents.network import nft

_PREFIX = "webcloud_nat_"


def table_name(network_id: str) -> str:
    return _PREFIX + network_id.replace("-", "")


def ensure_nat(network_id: str, bridge: str, cidr: IPv4Network) -> None:
    """Masquerade what leaves the network by another device. Raises AgentError."""
    table = {"family": "ip", "name": table_name(network_id)}
    nft.apply(
        [
            {"add": {"table": table}},
            {"delete": {"table": table}},
            {"add": {"table": table}},
            {
                "add": {
                    "chain": {
                        "family": "ip",
                        "table": table["name"],
                        "name": "postrouting",
                        "type": "nat",
                        "hook": "postrouting",
                        "prio": 100,
                        "policy": "accept",
                    }
                }
            },
            nft.rule("ip", table["name"], "postrouting", _masquerade(bridge, cidr)),
        ]
    )


def ensure_no_nat(network_id: str) -> None:
    table = {"family": "ip", "name": table_name(network_id)}
    nft.apply([{"add": {"table": table}}, {"delete": {"table": table}}])


def is_whole(
    loaded: nft.Ruleset, network_id: str, bridge: str, cidr: IPv4Network, *, wanted: bool
) -> bool:
    """Whether the network's rule is loaded as it is to be, and no other; or none, as wanted."""
    rules = [nft.mark(_masquerade(bridge, cidr))] if wanted else []
    return loaded.marks("ip", table_name(network_id), "postrouting") == rules


def _masquerade(bridge: str, cidr: IPv4Network) -> list[nft.Statement]:
    inside = nft.prefix(str(cidr.network_address), cidr.prefixlen)
    return [
        nft.match(nft.payload("ip", "saddr"), inside),
        nft.match(nft.payload("ip", "daddr"), inside, "!="),
        nft.match(nft.meta("oifname"), bridge, "!="),
        {"masquerade": None},
    ]
