"""The child that changes network devices: three requests, on the kernel's own devices."""

from __future__ import annotations

import io
import json
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from agents.network import bridges, links


def ask_links(monkeypatch: pytest.MonkeyPatch, request: dict[str, object]) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request)))
    return links.main()


def test_the_child_makes_changes_and_removes_a_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"wct{secrets.token_hex(4)}"
    wanted: dict[str, object] = {
        "do": "bridge", "name": name, "mtu": 1400, "address": "10.93.0.1", "prefix": 24,
        "broadcast": "10.93.0.255",
    }  # fmt: skip
    try:
        assert ask_links(monkeypatch, wanted) == 0
        assert ask_links(monkeypatch, wanted) == 0
        assert ask_links(monkeypatch, {**wanted, "address": "10.93.0.2"}) == 0
        shown = subprocess.run(
            ["ip", "-o", "-4", "addr", "show", name], capture_output=True, text=True, check=True
        ).stdout
        assert "10.93.0.2/24 brd 10.93.0.255" in shown
        assert "10.93.0.1/" not in shown
        assert ask_links(monkeypatch, {**wanted, "mtu": 10}) == 1
    finally:
        assert ask_links(monkeypatch, {"do": "delete", "name": name}) == 0
    assert not bridges.exists(name)
    assert ask_links(monkeypatch, {"do": "rename", "name": name}) == 2


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, str]]:
    """A device on no bridge, and two bridges; they are gone afterwards."""
    token = secrets.token_hex(4)
    device, bridge, other = f"wct{token}d", f"wct{token}a", f"wct{token}b"
    try:
        subprocess.run(["ip", "link", "add", device, "type", "veth"], check=True)
        for name in (bridge, other):
            subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
        yield device, bridge, other
    finally:
        for name in (device, bridge, other):
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)


def test_the_child_plugs_a_device_and_leaves_one_that_has_a_bridge(
    names: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, bridge, other = names
    assert bridges.bridge_of(device) is None
    plug: dict[str, object] = {"do": "plug", "name": device}
    assert ask_links(monkeypatch, {**plug, "bridge": bridge}) == 0
    assert bridges.bridge_of(device) == bridge
    assert ask_links(monkeypatch, {**plug, "bridge": other}) == 0
    assert bridges.bridge_of(device) == bridge


def test_a_device_that_is_gone_by_now_is_neither_plugged_nor_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = f"wct{secrets.token_hex(4)}"
    plug: dict[str, object] = {"do": "plug", "name": gone, "bridge": f"{gone}b"}
    assert ask_links(monkeypatch, plug) == 0
    assert ask_links(monkeypatch, {"do": "delete", "name": gone}) == 0
    assert not bridges.exists(gone)
