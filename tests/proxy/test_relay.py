"""The relay and the browser's end on socket pairs, without a process between."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from webcloud.proxy import relay
from webcloud.proxy.agent import Refused, open_console
from webcloud.proxy.client import BadHandshake, Client
from webcloud.proxy.handover import Handover
from webcloud.proxy.relay import Ending, Relay
from webcloud.proxy.seats import Full, Seats
from webcloud.proxy.session import serve

HEAD = (
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
)


class Bench:
    """A relay running on two socket pairs; ``browser`` and ``guest`` are the outer ends."""

    def __init__(self) -> None:
        self.browser, self._inner = socket.socketpair()
        self.guest, self._target = socket.socketpair()
        self._target.setblocking(False)
        for end in (self.browser, self.guest):
            end.settimeout(5)
        client = Client(self._inner)
        client.accept_head(HEAD)
        assert b" 101 " in self.browser.recv(4096)
        self._pool = ThreadPoolExecutor(1)
        self.ended: Future[Ending] = self._pool.submit(Relay(client, self._inner, self._target).run)

    def send(self, payload: bytes, opcode: int = 2) -> None:
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        self.browser.sendall(bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload)

    def read(self, total: int) -> bytes:
        """What arrives at the browser in ``total`` bytes of payload."""
        reader = self.browser.makefile("rb")
        received = b""
        while len(received) < total:
            _, short = reader.read(2)
            size = {126: 2, 127: 8}.get(short, 0)
            received += reader.read(int.from_bytes(reader.read(size), "big") if size else short)
        return received

    def close(self) -> None:
        for end in (self.browser, self.guest):
            end.close()
        self.ended.result(5)
        self._inner.close()
        self._target.close()
        self._pool.shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    running = Bench()
    yield running
    running.close()


def test_a_ping_is_answered(bench: Bench) -> None:
    bench.send(b"are you there", opcode=9)
    assert bench.browser.recv(100) == b"\x8a\x0dare you there"


def test_masked_bytes_arrive_unmasked(bench: Bench) -> None:
    bench.browser.sendall(b"\x82\x85\x01\x02\x03\x04" + bytes([0x61, 0x60, 0x60, 0x60, 0x64]))
    assert bench.guest.recv(100) == b"`bcde"


def test_a_browser_that_vanishes_ends_the_console(bench: Bench) -> None:
    bench.browser.close()
    assert bench.ended.result(5) == relay.BROWSER_LEFT


def test_a_guest_that_vanishes_ends_the_console(bench: Bench) -> None:
    bench.guest.close()
    assert bench.ended.result(5) == relay.GUEST_CLOSED


def test_a_guest_that_leaves_with_typing_unread_ends_the_console(bench: Bench) -> None:
    bench.send(b"unread")
    bench.guest.recv(1)
    bench.guest.close()
    assert bench.ended.result(5) == relay.GUEST_CLOSED


def test_a_browser_that_says_goodbye_ends_the_console(bench: Bench) -> None:
    bench.send(b"\x03\xe8", opcode=8)
    assert bench.ended.result(5) == relay.BROWSER_LEFT


def test_typing_to_a_guest_that_has_gone_ends_the_console(bench: Bench) -> None:
    bench.guest.shutdown(socket.SHUT_RD)
    bench.send(b"x")
    assert bench.ended.result(5) == relay.GUEST_CLOSED


def test_a_guest_that_does_not_read_holds_the_browser_back_and_loses_nothing(
    bench: Bench,
) -> None:
    pieces = [bytes([number]) * 40_000 for number in range(100)]
    sender = threading.Thread(target=lambda: [bench.send(piece) for piece in pieces])
    sender.start()
    sender.join(0.3)
    assert sender.is_alive(), "4 MB were taken in for a guest that reads nothing"
    wanted = b"".join(pieces)
    received = b""
    while len(received) < len(wanted):
        received += bench.guest.recv(65536)
    assert received == wanted
    sender.join(5)


def test_a_browser_that_does_not_read_loses_nothing_either(bench: Bench) -> None:
    sent = b"".join(bytes([number]) * 30_000 for number in range(100))
    sender = threading.Thread(target=bench.guest.sendall, args=(sent,))
    sender.start()
    sender.join(0.3)
    assert sender.is_alive()
    assert bench.read(len(sent)) == sent
    sender.join(5)


def test_what_a_guest_said_before_it_left_reaches_a_slow_browser(bench: Bench) -> None:
    said = 0
    bench.guest.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            said += bench.guest.send(b"x" * 65536)
    bench.guest.close()
    assert bench.read(said) == b"x" * said
    assert bench.ended.result(5) == relay.GUEST_CLOSED


def test_sec_S32_a_side_that_stands_still_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "STALL_SECONDS", 0.2)
    bench = Bench()
    bench.guest.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            bench.guest.send(b"x" * 65536)
    assert bench.ended.result(5) == relay.STALLED
    bench.close()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        HEAD.replace(b"binary", b"base64"),
        HEAD.replace(b"Version: 13", b"Version: x"),
        HEAD.replace(b"Sec-WebSocket-Key", b"X-Key"),
    ],
)
def test_a_head_that_is_no_handshake_is_refused(head: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(BadHandshake):
        Client(theirs).accept_head(head)


@pytest.mark.parametrize("answer", [b"nonsense\n", b"{}\n", b'{"ok": true}\n', b""])
def test_an_agent_that_answers_nonsense_opens_nothing(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(path))
        listener.listen()
        target = Handover("i", "vnc", 1, str(path), base64.b64encode(HEAD).decode())
        opening = pool.submit(open_console, target)
        line, _ = listener.accept()
        with line:
            line.recv(4096)
            line.sendall(answer)
        with pytest.raises(Refused):
            opening.result(5)


@pytest.mark.parametrize("head", ["not base64!", base64.b64encode(b"GET /").decode()])
def test_a_browser_whose_head_is_wrong_is_let_go(head: str) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        serve(Handover("i", "vnc", 1, "/nowhere", head), theirs, Seats())
        assert ours.recv(100) == b""


def test_a_refusal_opens_nothing_and_is_told_by_a_close_code() -> None:
    ours, theirs = socket.socketpair()
    head = base64.b64encode(HEAD).decode()
    with ours:
        serve(Handover("", "vnc", 0, "/nowhere", head, "token_used"), theirs, Seats())
        assert ours.recv(4096).endswith(b"\x88\x0c\x03\xf0token_used")


def test_seats_are_limited_in_all() -> None:
    seats = Seats(total=2)
    with seats.one("a"), seats.one("b"), pytest.raises(Full) as full, seats.one("c"):
        pass
    assert full.value.code == "too_many"
    assert len(seats) == 0
