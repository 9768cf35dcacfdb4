"""A browser's side of a console, from the one-time link to the guest's bytes.

The link comes from the API, the socket goes through controller, proxy and
agent to QEMU.  ``VncConsole`` speaks as much RFB as a test needs: RFC 6143.
"""

from __future__ import annotations

import struct
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websocket

from tests.support.stock_api import StockApi

TYPES = {"vnc": "novnc", "serial": "serial"}
SECONDS = 10


def link(api: StockApi, server_id: str, kind: str) -> str:
    """A fresh address, as the API gives it."""
    body = {"remote_console": {"protocol": kind, "type": TYPES[kind]}}
    path = f"/compute/v2.1/servers/{server_id}/remote-consoles"
    url: str = api.call("POST", path, body)["remote_console"]["url"]
    return url


def connect(url: str) -> websocket.WebSocket:
    """Open the WebSocket that the console page at this address would open."""
    parts = urlsplit(url)
    kind = parse_qs(parts.query)["kind"][0]
    token = parse_qs(parts.fragment)["token"][0]
    return websocket.create_connection(
        f"ws://{parts.netloc}/console/{kind}",
        timeout=SECONDS,
        origin=f"http://{parts.netloc}",
        subprotocols=["binary", f"webcloud.token.{token}"],
    )


class Stream:
    """The console's bytes, whatever frames they come in."""

    def __init__(self, sock: websocket.WebSocket) -> None:
        self.sock = sock
        self._data = b""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close(timeout=0)

    def send(self, data: bytes) -> None:
        self.sock.send_binary(data)

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises WebSocketConnectionClosedException at the end."""
        while len(self._data) < size:
            self._data += self._frame()
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def read_until(self, wanted: bytes, seconds: float = SECONDS) -> bytes:
        """All up to and with ``wanted``."""
        deadline = time.monotonic() + seconds
        while wanted not in self._data:
            assert time.monotonic() < deadline, f"{wanted!r} is not in {self._data[-500:]!r}"
            self._data += self._frame()
        end = self._data.index(wanted) + len(wanted)
        return self.take(end)

    def _frame(self) -> bytes:
        opcode, data = self.sock.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise websocket.WebSocketConnectionClosedException(data[2:].decode() or "closed")
        return bytes(data)


class SerialConsole(Stream):
    """The guest's serial port."""

    def __init__(self, api: StockApi, server_id: str) -> None:
        super().__init__(connect(link(api, server_id, "serial")))


class VncConsole(Stream):
    """The guest's screen, after the handshake; ``name`` is what the desktop calls itself."""

    def __init__(self, api: StockApi, server_id: str, url: str = "") -> None:
        super().__init__(connect(url or link(api, server_id, "vnc")))
        self.greeting = self.take(12)
        self.send(self.greeting)
        offered = self.take(self.take(1)[0])
        assert 1 in offered, f"no unauthenticated RFB among {offered!r}"
        self.send(b"\x01")
        assert self.take(4) == bytes(4), "the security handshake failed"
        self.send(b"\x01")  # A shared session.
        self.width, self.height, self._pixel, length = struct.unpack("!HH16sI", self.take(24))
        self.name = self.take(length).decode()

    def press(self, keysym: int) -> None:
        for down in (1, 0):
            self.send(struct.pack("!BBHI", 4, down, 0, keysym))

    def picture(self) -> bytes:
        """The whole screen's pixels, asked for now and sent raw."""
        self.send(struct.pack("!BBHHHH", 3, 0, 0, 0, self.width, self.height))
        kind = self.take(4)
        assert kind[0] == 0, f"message {kind[0]} is not an update of the framebuffer"
        pixels = b""
        for _ in range(struct.unpack("!H", kind[2:])[0]):
            _x, _y, width, height, encoding = struct.unpack("!HHHHi", self.take(12))
            assert encoding == 0, "only raw pictures were agreed on"
            pixels += self.take(width * height * self._pixel[0] // 8)
        return pixels
