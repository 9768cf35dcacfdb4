"""How the controller gives an accepted browser socket to the proxy.

A unix stream socket (``Config.proxy_socket``), one request per connection:
one JSON line, ``Handover`` or ``Ping`` under its name, with the browser's
file descriptor beside it (SCM_RIGHTS) for a hand-over; the proxy answers one
JSON line, ``Receipt``.  The controller's side is here too, so that it never
loads websockify.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from agents.wire.codec import WireError, decode, encode

MAX_LINE = 64 * 1024
ANSWER_SECONDS = 2.0


class ProxyDown(Exception):
    """The proxy is not there, or did not answer in time."""


@dataclass(frozen=True)
class Handover:
    """``head`` is the request's head in base64, without token and cookies.

    ``console_socket`` is where the agent that runs the guest listens.  With a
    ``refusal`` nothing is opened: the browser is told the word and let go.
    """

    instance_id: str
    kind: str
    boot: int
    console_socket: str
    head: str
    refusal: str = ""

    def head_bytes(self) -> bytes:
        """The request head as it goes over the wire; raises ValueError."""
        return base64.b64decode(self.head, validate=True)


@dataclass(frozen=True)
class Receipt:
    """``consoles`` is how many are open now."""

    ok: bool
    consoles: int = 0
    message: str = ""


class Line:
    """An open connection to the proxy, made before a token is spent on it."""

    def __init__(self, path: Path) -> None:
        """Raises ProxyDown."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ProxyDown(f"nothing answers at {path}: {error}") from error

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def hand_over(self, what: Handover, browser: int) -> Receipt:
        """Send the target and the browser's descriptor; raises ProxyDown."""
        return self._ask({"handover": encode(what)}, [browser])

    def ping(self) -> Receipt:
        """Ask whether the proxy is well; raises ProxyDown."""
        return self._ask({"ping": True}, [])

    def _ask(self, message: dict[str, Any], descriptors: list[int]) -> Receipt:
        payload = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self._socket, [payload], descriptors) if descriptors else 0
            # Even an empty send fails once a quick proxy has answered and hung up.
            if sent < len(payload):
                self._socket.sendall(payload[sent:])
            line, _ = read_line(self._socket)
            return decode(Receipt, json.loads(line))
        except (OSError, ValueError) as error:
            raise ProxyDown(f"the proxy did not answer: {error}") from error


def read_line(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One line and the descriptors that came with it; the caller closes those.

    Raises WireError for a line that never ends, OSError as the socket does.
    """
    data = b""
    received: list[int] = []
    try:
        while b"\n" not in data:
            part, descriptors, _flags, _address = socket.recv_fds(connection, MAX_LINE, 4)
            received.extend(descriptors)
            data += part
            if not part or len(data) > MAX_LINE:
                raise WireError("the line was cut off or is too long")
    except (OSError, WireError):
        close_all(received)
        raise
    return data.split(b"\n", 1)[0], received


def close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def ping(path: Path) -> Receipt:
    """Ask the proxy at ``path`` how it is; raises ProxyDown."""
    with Line(path) as line:
        return line.ping()
