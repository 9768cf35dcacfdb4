"""One transaction per call: refused as a whole, or there as a whole."""

from __future__ import annotations

import secrets

import pytest

from agents.errors import AgentError
from agents.network import nft


def test_a_refused_transaction_leaves_nothing() -> None:
    name = f"webcloud_test_{secrets.token_hex(4)}"
    table = {"family": "ip", "name": name}
    with pytest.raises(AgentError) as failure:
        nft.apply([{"add": {"table": table}}, nft.rule("ip", name, "no-such-chain", [])])
    assert (failure.value.code, failure.value.retryable) == ("network", True)
    assert nft.listing(f"table ip {name}") == []
    nft.apply([{"add": {"table": table}}])
    assert any(item.get("table", {}).get("name") == name for item in nft.listing("tables ip"))
    nft.apply([{"delete": {"table": table}}])
