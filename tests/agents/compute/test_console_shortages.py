"""A console server that is short of something for a moment answers again afterwards."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from agents.compute import consoles
from agents.compute.consoles import ConsoleServer
from agents.libvirt_host import TEST, LibvirtHost
from agents.wire.codec import encode
from agents.wire.consoles import OpenConsole
from tests.support.shortages import FailingListener, threading_without_a_thread


def ask(path: Path) -> str:
    """The code of the answer, or nothing when there was none."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(str(path))
        try:
            line.sendall(json.dumps(encode(OpenConsole("i", "paper", 1))).encode() + b"\n")
            answer = line.recv(4096)
        except OSError:
            return ""
    return str(json.loads(answer)["code"]) if answer else ""


@pytest.fixture
def server(tmp_path: Path) -> ConsoleServer:
    host = LibvirtHost(TEST, lambda _id: None)
    return ConsoleServer(host, tmp_path / "run" / "consoles.sock", "no-such-group")


def test_a_thread_that_cannot_be_started_costs_one_request(
    server: ConsoleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    monkeypatch.setattr(consoles, "threading", threading_without_a_thread())
    try:
        assert ask(server._path) == ""
        assert ask(server._path) == "unknown_kind"
    finally:
        server.stop()


def test_an_accept_that_fails_is_tried_again(
    server: ConsoleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(consoles, "threading", threading_without_a_thread())
        server.start()
    try:
        failing = FailingListener(server._listener)  # type: ignore[arg-type]
        server._listener = failing  # type: ignore[assignment]
        threading.Thread(target=server._accept, daemon=True).start()
        assert [ask(server._path) for _ in range(3)] == ["unknown_kind"] * 3
        assert failing.failed == 1
    finally:
        server.stop()
