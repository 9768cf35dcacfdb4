"""nftables, spoken in JSON: one transaction per call, all of it or nothing.

Small builders for the expressions that ``nat`` and ``firewall`` need, and the
one place that runs ``nft``.  Each rule carries a mark of what it says as its
comment: what nft lists is the same in other words, and other with each version,
so that a rule is known again by its mark.  Format: libnftables-json(5).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from agents import privileged
from agents.errors import AgentError

Statement = dict[str, Any]


def apply(commands: list[Statement]) -> None:
    """Load the commands as one transaction. Raises AgentError ``network``."""
    text = json.dumps({"nftables": commands})
    done = privileged.run("nft", ("-j", "-f", "-"), stdin=text)
    if done.status != 0:
        raise AgentError("network", f"nftables refused: {done.errors[:300]}", retryable=True)


def listing(what: str) -> list[dict[str, Any]]:
    """The objects of ``nft -j list <what>``; empty when there is nothing."""
    done = privileged.run("nft", ("-j", "list", *what.split()))
    if done.status != 0:
        return []
    objects = json.loads(done.output).get("nftables", [])
    return list(objects)


class Ruleset:
    """What is loaded at this moment, read by one process."""

    def __init__(self) -> None:
        self._objects = listing("ruleset")

    def marks(self, family: str, table: str, chain: str) -> list[str]:
        """The marks of the chain's rules in order, "" for one without; none without the chain."""
        wanted = {"family": family, "table": table, "chain": chain}
        return [
            item["rule"].get("comment", "")
            for item in self._objects
            if "rule" in item
            and all(item["rule"].get(key) == value for key, value in wanted.items())
        ]

    def elements(self, family: str, table: str, name: str) -> list[Any]:
        """The elements of a set; none when there is no such set."""
        wanted = {"family": family, "table": table, "name": name}
        for item in self._objects:
            found = item.get("set", {})
            if all(found.get(key) == value for key, value in wanted.items()):
                return list(found.get("elem", []))
        return []


def rule(family: str, table: str, chain: str, expressions: list[Statement]) -> Statement:
    body = {"family": family, "table": table, "chain": chain, "expr": expressions}
    return {"add": {"rule": {**body, "comment": mark(expressions)}}}


def mark(expressions: list[Statement]) -> str:
    """What tells a rule with these expressions from any other."""
    return hashlib.sha256(json.dumps(expressions, sort_keys=True).encode()).hexdigest()[:16]


def match(left: Any, right: Any, op: str = "==") -> Statement:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> Statement:
    return {"meta": {"key": key}}


def payload(protocol: str, field: str) -> Statement:
    return {"payload": {"protocol": protocol, "field": field}}


def prefix(address: str, length: int) -> Statement:
    return {"prefix": {"addr": address, "len": length}}
