"""What guests may reach of the host, and networks of each other.

One table ``inet webcloud`` with sets of bridges: from a guest's bridge the
host answers DHCP, DNS and ping and nothing else; one network never reaches
another; into a NAT network comes only what its guests began.  Everything that
does not concern our bridges passes by untouched.  Chains for port rules will
be jumped to from ``forward``.
"""

from __future__ import annotations

from typing import Any

from agents.network import nft

TABLE = "webcloud"
_BRIDGES, _NAT_BRIDGES, _LOOPS = "bridges", "nat_bridges", "same_bridge"


def ensure_guest_filter(bridge: str, nat: bool) -> None:
    """Have the rules loaded and the bridge under them. Raises AgentError."""
    nft.apply([*_foundation(), *_elements("add", bridge, nat), *_forget_nat(bridge, nat)])


def ensure_no_guest_filter(bridge: str) -> None:
    """Take the bridge out of the sets; the rules themselves stay for others."""
    # An element must be there to be deleted, so it is added first.
    nft.apply([*_foundation(), *_elements("add", bridge, True), *_elements("delete", bridge, True)])


def filtered_bridges(loaded: nft.Ruleset) -> frozenset[str]:
    """The bridges that are under the whole set of rules; none when a rule is missing."""
    wanted = {"input": len(_input_rules()), "forward": len(_forward_rules())}
    if any(loaded.rules("inet", TABLE, chain) != count for chain, count in wanted.items()):
        return frozenset()
    looped = {
        pair["concat"][0] for pair in loaded.elements("inet", TABLE, _LOOPS) if "concat" in pair
    }
    return frozenset(looped.intersection(loaded.elements("inet", TABLE, _BRIDGES)))


def nat_bridges(loaded: nft.Ruleset) -> frozenset[str]:
    """The bridges into which only what their guests began may come."""
    return frozenset(loaded.elements("inet", TABLE, _NAT_BRIDGES))


def _foundation() -> list[nft.Statement]:
    table = {"family": "inet", "name": TABLE}
    commands: list[nft.Statement] = [{"add": {"table": table}}]
    for name, kind in (
        (_BRIDGES, "ifname"),
        (_NAT_BRIDGES, "ifname"),
        (_LOOPS, ["ifname", "ifname"]),
    ):
        commands.append(
            {"add": {"set": {"family": "inet", "table": TABLE, "name": name, "type": kind}}}
        )
    for hook in ("input", "forward"):
        chain = {"family": "inet", "table": TABLE, "name": hook}
        commands.append({"add": {"chain": {**chain, "type": "filter", "hook": hook, "prio": 0}}})
        commands.append({"flush": {"chain": chain}})
    commands += [_input(expressions) for expressions in _input_rules()]
    commands += [
        nft.rule("inet", TABLE, "forward", expressions) for expressions in _forward_rules()
    ]
    return commands


def _input_rules() -> list[list[Any]]:
    accept, drop = {"accept": None}, {"drop": None}
    established = nft.match({"ct": {"key": "state"}}, ["established", "related"], "in")
    return [
        [established, accept],
        [nft.match(nft.payload("udp", "dport"), {"set": [53, 67]}), accept],
        [nft.match(nft.payload("tcp", "dport"), 53), accept],
        [nft.match(nft.payload("icmp", "type"), "echo-request"), accept],
        [drop],
    ]


def _forward_rules() -> list[list[Any]]:
    accept, drop = {"accept": None}, {"drop": None}
    incoming, outgoing = nft.meta("iifname"), nft.meta("oifname")
    begun_inside = nft.match({"ct": {"key": "state"}}, ["established", "related"], "in")
    return [
        [nft.match({"concat": [incoming, outgoing]}, f"@{_LOOPS}"), accept],
        [nft.match(incoming, f"@{_BRIDGES}"), nft.match(outgoing, f"@{_BRIDGES}"), drop],
        [nft.match(outgoing, f"@{_NAT_BRIDGES}"), begun_inside, accept],
        [nft.match(outgoing, f"@{_NAT_BRIDGES}"), drop],
    ]


def _input(expressions: list[Any]) -> nft.Statement:
    from_guests = nft.match(nft.meta("iifname"), f"@{_BRIDGES}")
    return nft.rule("inet", TABLE, "input", [from_guests, *expressions])


def _elements(verb: str, bridge: str, nat: bool) -> list[nft.Statement]:
    commands = [_element(verb, _BRIDGES, bridge), _element(verb, _LOOPS, bridge)]
    if nat:
        commands.append(_element(verb, _NAT_BRIDGES, bridge))
    return commands


def _forget_nat(bridge: str, nat: bool) -> list[nft.Statement]:
    if nat:
        return []
    return [_element("add", _NAT_BRIDGES, bridge), _element("delete", _NAT_BRIDGES, bridge)]


def _element(verb: str, name: str, bridge: str) -> nft.Statement:
    value: Any = {"concat": [bridge, bridge]} if name == _LOOPS else bridge
    body = {"family": "inet", "table": TABLE, "name": name, "elem": [value]}
    return {verb: {"element": body}}
