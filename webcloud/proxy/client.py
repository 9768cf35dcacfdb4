"""The browser's end of a console: websockify's WebSocket, with bounds.

Speaks only the subprotocol ``binary``, refuses messages over 1 MiB before
they are buffered, and never queues more than one message for a slow reader.
websockify unmasks with numpy where it can; a big-integer XOR is as quick
here and leaves 12 MB of memory free, so numpy is kept out of the process.
"""

from __future__ import annotations

import http.client
import io
import socket
import struct
import sys
import warnings
from collections.abc import Callable
from typing import Any

# A name bound to None makes `import numpy` fail, which websockify allows for.
# It is bound during that one import only: other libraries look there too.
_hidden = "numpy" not in sys.modules
if _hidden:
    sys.modules["numpy"] = None  # type: ignore[assignment]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from websockify.websocket import WebSocket, WebSocketWantReadError, WebSocketWantWriteError
if _hidden:
    del sys.modules["numpy"]

MAX_MESSAGE = 1024 * 1024
HANDSHAKE_SECONDS = 5.0
CONTINUATION = 0x0


class TooLong(Exception):
    """The browser sent a message over MAX_MESSAGE bytes."""


class BadHandshake(Exception):
    """The request head is not a WebSocket request for the binary subprotocol."""


class Client(WebSocket):  # type: ignore[misc]
    """One browser. Call ``accept_head`` first; afterwards nothing here blocks."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._again: tuple[Callable[[bytes], Any], bytes] | None = None

    def accept_head(self, head: bytes) -> None:
        """Answer the handshake; raises BadHandshake, or OSError as the socket does."""
        self._connection.settimeout(HANDSHAKE_SECONDS)
        try:
            stream = io.BytesIO(head)
            stream.readline()
            self.accept(self._connection, http.client.parse_headers(stream))
        except OSError:
            raise
        except Exception as error:
            # websockify raises plain Exception for every bad header.
            raise BadHandshake(str(error)) from error
        self._connection.setblocking(False)

    def select_subprotocol(self, protocols: list[str]) -> str:
        return "binary"

    @property
    def is_blocked(self) -> bool:
        """Whether something still waits to be sent: offer nothing more until it is."""
        return self._again is not None

    def offer(self, data: bytes) -> None:
        """Send one message, or keep it for ``retry``."""
        self._try(self.sendmsg, data)

    def retry(self) -> None:
        """The socket can be written again."""
        if self._again is not None:
            self._try(*self._again)

    def take(self) -> list[bytes] | None:
        """The messages that have arrived, or None when the browser has closed.

        Raises TooLong, or OSError as the socket does.
        """
        messages: list[bytes] = []
        try:
            while True:
                message = self.recvmsg()
                if message is None:
                    return None
                messages.append(message)
                if not self.pending():
                    return messages
        except WebSocketWantReadError:
            return messages
        except WebSocketWantWriteError:
            # Only an answer to a close frame is sent while reading.
            return None

    def handle_ping(self, data: bytes) -> None:
        # A peer that floods pings without reading must not fill our memory.
        if not self.is_blocked:
            self._try(self.pong, data)

    def _try(self, send: Callable[[bytes], Any], data: bytes) -> None:
        try:
            send(data)
            self._again = None
        except WebSocketWantWriteError:
            self._again = (send, data)

    def _decode_hybi(self, buf: bytes) -> Any:
        length = _announced_length(buf)
        if buf and buf[0] & 0x0F == CONTINUATION:
            length += len(self._partial_msg)
        if length > MAX_MESSAGE:
            raise TooLong
        return super()._decode_hybi(buf)

    def _unmask(self, buf: bytes, mask: bytes) -> bytes:
        size = len(buf)
        key = (mask * (size // 4 + 1))[:size]
        whole = int.from_bytes(buf, sys.byteorder) ^ int.from_bytes(key, sys.byteorder)
        return whole.to_bytes(size, sys.byteorder)


def _announced_length(head: bytes) -> int:
    """The payload length in a frame's head (RFC 6455, 5.2); 0 while it is incomplete."""
    if len(head) < 2:
        return 0
    short = head[1] & 0x7F
    if short == 126:
        return int(struct.unpack(">H", head[2:4])[0]) if len(head) >= 4 else 0
    if short == 127:
        return int(struct.unpack(">Q", head[2:10])[0]) if len(head) >= 10 else 0
    return short
