"""A proxy that is short of something for a moment takes hand-overs again afterwards."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.shortages import FailingListener, threading_without_a_thread
from webcloud.proxy import server
from webcloud.proxy.handover import ProxyDown, ping
from webcloud.proxy.server import Proxy


def running(proxy: Proxy) -> None:
    threading.Thread(target=proxy.run, daemon=True).start()


def test_a_thread_that_cannot_be_started_costs_one_hand_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "proxy.sock"
    proxy = Proxy(path)
    monkeypatch.setattr(server, "threading", threading_without_a_thread())
    running(proxy)
    with pytest.raises(ProxyDown):
        ping(path)
    assert ping(path).ok
    proxy.close()


def test_an_accept_that_fails_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    proxy = Proxy(path)
    failing = proxy._listener = FailingListener(proxy._listener)  # type: ignore[assignment]
    running(proxy)
    assert ping(path).ok
    assert failing.failed == 1
    proxy.close()
