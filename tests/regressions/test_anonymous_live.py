"""Live connections of nobody: few at once, not for long, and into no namespace."""

from __future__ import annotations

from typing import Any

from flask import Flask

from tests.regressions.conftest import THREADS, Site
from tests.regressions.test_slow_senders import peers
from webcloud.live.strangers import Strangers

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n"
)


class Engine:
    """The part of Engine.IO's server that is watched."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {"connect": lambda *_: None, "disconnect": lambda *_: None}
        self.hung_up: list[str] = []

    def on(self, event: str, handler: Any) -> None:
        self.handlers[event] = handler

    def disconnect(self, sid: str) -> None:
        self.hung_up.append(sid)

    def start_background_task(self, task: Any, *args: Any) -> None:
        task(*args)


def test_sec_S32_few_connections_may_be_unknown_at_once() -> None:
    engine, strangers = Engine(), Strangers(most=2, seconds=60)
    strangers.watch(engine)
    connect = engine.handlers["connect"]
    known: dict[str, Any] = {}
    assert connect("a", known) is None
    assert connect("b", {}) is None
    assert connect("c", {}) is False
    strangers.is_known(known)
    assert connect("d", {}) is None
    assert connect("e", {}) is False
    engine.handlers["disconnect"]("b", "client left")
    assert connect("f", {}) is None


def test_sec_S32_who_does_not_say_who_it_is_is_hung_up_on() -> None:
    engine, strangers = Engine(), Strangers(most=1, seconds=-1)
    strangers.watch(engine)
    assert engine.handlers["connect"]("a", {}) is None
    assert engine.handlers["connect"]("b", {}) is None
    assert engine.hung_up == ["a"]


def test_sec_S32_unknown_live_connections_leave_threads_for_others(site: Site) -> None:
    with peers(site, THREADS, UPGRADE) as open_ones:
        site.seconds_to_answer()
        assert len(open_ones) == THREADS


def test_nobody_gets_into_the_namespace_that_is_no_ones(app: Flask) -> None:
    from webcloud.live.socket import socketio

    client = socketio.test_client(app)
    assert not client.is_connected()
