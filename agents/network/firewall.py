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
    """The bridges that are under the whole set of rules; none when a rule is not as it was."""
    for chain, rules in _RULES.items():
        if loaded.marks("inet", TABLE, chain) != [nft.mark(each) for each in rules()]:
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
    for hook, rules in _RULES.items():
        chain = {"family": "inet", "table": TABLE, "name": hook}
        commands.append({"add": {"chain": {**chain, "type": "filter", "hook": hook, "prio": 0}}})
        commands.append({"flush": {"chain": chain}})
        commands += [nft.rule("inet", TABLE, hook, expressions) for expressions in rules()]
    return commands


def _input_rules() -> list[list[Any]]:
    accept, drop = {"accept": None}, {"drop": None}
    from_guests = nft.match(nft.meta("iifname"), f"@{_BRIDGES}")
    established = nft.match({"ct": {"key": "state"}}, ["established", "related"], "in")
    allowed = [
        [established, accept],
        [nft.match(nft.payload("udp", "dport"), {"set": [53, 67]}), accept],
        [nft.match(nft.payload("tcp", "dport"), 53), accept],
        [nft.match(nft.payload("icmp", "type"), "echo-request"), accept],
        [drop],
    ]
    return [[from_guests, *expressions] for expressions in allowed]


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


# What each chain holds, by the hook that it is named after.
_RULES = {"input": _input_rules, "forward": _forward_rules}


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
