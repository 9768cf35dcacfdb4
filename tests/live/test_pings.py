"""An agent is heard with each ping that it answers, over a real connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from engineio import packet
from engineio.exceptions import SocketIsClosedError
from flask import Flask

from agents.hints import Hints
from tests.hosts.agents_edge import enrol
from tests.support.live_server import free_port, serving
from tests.support.running_cloud import wait_until
from webcloud.live import pings, socket


def test_answers_to_pings_are_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = enrol(app, "n1")
    told: list[str] = []
    seen = threading.Event()

    def heard(host_id: str) -> None:
        told.append(host_id)
        if len(told) >= 3:
            seen.set()

    [namespace] = [
        each
        for each in socket.socketio.server.namespace_handlers.values()
        if isinstance(each, socket.AgentNamespace)
    ]
    monkeypatch.setattr(namespace, "_presence", heard)
    monkeypatch.setattr(socket.socketio.server.eio, "ping_interval", 0.05)
    port = free_port()
    with serving(app, port):
        pair = (agent.host_id, agent.secret)
        hints = Hints(f"http://127.0.0.1:{port}", lambda: pair, lambda: None, lambda: None)
        thread = threading.Thread(target=hints.run, daemon=True)
        thread.start()
        assert seen.wait(20)
        hints.stop()
        thread.join(20)
    assert set(told) == {agent.host_id}


class Connection(SimpleNamespace):
    """As much of an Engine.IO connection as pings need; ``sent`` is what it was told to send."""

    def __init__(self) -> None:
        super().__init__(closing=False, closed=False, last_ping=1.0, sent=[], got=[])
        self.receive: Callable[[packet.Packet], None] = self._received

    def _received(self, frame: packet.Packet) -> None:
        self.got.append(frame.packet_type)
        if frame.packet_type == packet.PONG:
            self.schedule_ping()

    def send(self, frame: packet.Packet) -> None:
        self.sent.append(frame.packet_type)


def listened_to(told: list[str], ping_interval: float = 0.01) -> Connection:
    connection = Connection()
    engine = SimpleNamespace(sockets={"a": connection}, ping_interval=ping_interval)
    environ = {"webcloud.live": "a"}
    pings.listen(engine, environ, lambda: told.append("pong"), pings.Pinger())
    return connection


def test_only_an_answer_to_a_ping_counts() -> None:
    told: list[str] = []
    connection = listened_to(told)
    connection.receive(packet.Packet(packet.MESSAGE))
    assert told == []
    connection.receive(packet.Packet(packet.PONG))
    assert (told, connection.got) == (["pong"], [packet.MESSAGE, packet.PONG])


def test_an_answer_is_followed_by_the_next_ping() -> None:
    connection = listened_to([])
    connection.receive(packet.Packet(packet.PONG))
    assert connection.last_ping is None
    wait_until(lambda: connection.sent == [packet.PING], 10)
    assert connection.last_ping is not None
    connection.receive(packet.Packet(packet.PONG))
    wait_until(lambda: connection.sent == [packet.PING] * 2, 10)


def test_pings_of_all_connections_come_from_one_thread() -> None:
    pinger = pings.Pinger()
    connections = [Connection() for _ in range(20)]
    engine = SimpleNamespace(sockets=dict(enumerate(connections)), ping_interval=0.01)
    before = threading.active_count()
    for number, connection in enumerate(connections):
        pings.listen(engine, {"webcloud.live": number}, lambda: None, pinger)
        connection.receive(packet.Packet(packet.PONG))
    wait_until(lambda: all(each.sent for each in connections), 10)
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize("ended", ["closing", "closed"])
def test_a_connection_that_ends_is_not_pinged(ended: str) -> None:
    pinger = pings.Pinger()
    connection, other = Connection(), Connection()
    setattr(connection, ended, True)
    engine = SimpleNamespace(sockets={"a": connection, "b": other}, ping_interval=0.01)
    for name, each in engine.sockets.items():
        pings.listen(engine, {"webcloud.live": name}, lambda: None, pinger)
        each.receive(packet.Packet(packet.PONG))
    wait_until(lambda: other.sent == [packet.PING], 10)
    assert connection.sent == []


@pytest.mark.parametrize("error", [SocketIsClosedError, RuntimeError])
def test_one_that_cannot_be_pinged_stops_no_other(error: type[Exception]) -> None:
    pinger = pings.Pinger()
    broken, other = Connection(), Connection()

    def fail(frame: packet.Packet) -> None:
        raise error

    broken.send = fail  # type: ignore[method-assign]
    engine = SimpleNamespace(sockets={"a": broken, "b": other}, ping_interval=0.01)
    for name, each in engine.sockets.items():
        pings.listen(engine, {"webcloud.live": name}, lambda: None, pinger)
        each.receive(packet.Packet(packet.PONG))
    wait_until(lambda: other.sent == [packet.PING], 10)


def test_a_connection_that_has_ended_is_not_listened_to() -> None:
    told: list[str] = []
    engine = SimpleNamespace(sockets={}, ping_interval=1)
    pings.listen(engine, {}, lambda: told.append("pong"), pings.Pinger())
    assert told == []
