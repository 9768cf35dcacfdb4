"""Hints from the controller over one outbound Socket.IO connection.

The event ``work`` carries nothing: it only says "ask for commands now", and
``tell`` says "tell all about this host", as after connecting.  The
agent speaks the little of Socket.IO 5 over Engine.IO 4 that this needs (open,
connect to ``/agents``, ping, event) on websocket-client: python-socketio's
client was measured at 18 MB more resident memory per host, half of the whole
agent.  It reconnects for ever, also when the credential is refused.
Protocol: https://github.com/socketio/socket.io-protocol, engine.io-protocol.
"""

from __future__ import annotations

import json
import logging
import secrets
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import websocket

log = logging.getLogger(__name__)

NAMESPACE = "/agents"
BACKOFF_FIRST, BACKOFF_LAST = 0.2, 2.0
MAX_FRAME = 65536


class HintRefused(Exception):
    """The controller closed the namespace, mostly because of the credential."""


class Hints:
    """``on_work`` and ``on_connect`` are called on the listening thread."""

    def __init__(
        self,
        base_url: str,
        credential: Callable[[], tuple[str, str]],
        on_work: Callable[[], None],
        on_connect: Callable[[], None],
        *,
        ca_file: Path | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        self._url = f"{scheme}://{parts.netloc}/socket.io/?EIO=4&transport=websocket"
        self._context = ssl.create_default_context(cafile=ca_file) if scheme == "wss" else None
        self._credential = credential
        self._on_work = on_work
        self._on_connect = on_connect
        self._stop = threading.Event()
        self.connected = threading.Event()

    def run(self) -> None:
        """Listen until ``stop``; meant for a thread of its own."""
        failures, told = 0, ""
        while not self._stop.is_set():
            try:
                self._listen()
            except (OSError, ValueError, websocket.WebSocketException, HintRefused) as error:
                text = f"{type(error).__name__}: {error}"
                if text != told:
                    log.info("no hints from the controller, polling instead: %s", text)
                told = text
            if self.connected.is_set():
                failures, told = 0, ""
                self.connected.clear()
                # Whoever counted on hints must look for itself from now on.
                self._on_work()
            failures = min(failures + 1, 6)
            pause = min(BACKOFF_FIRST * 2 ** (failures - 1), BACKOFF_LAST)
            self._stop.wait(pause * secrets.SystemRandom().uniform(0.5, 1.0))

    def stop(self) -> None:
        self._stop.set()

    def _listen(self) -> None:
        sslopt = {"context": self._context} if self._context else None
        sock = websocket.create_connection(
            self._url, timeout=10, sslopt=sslopt, enable_multithread=False, suppress_origin=True
        )
        try:
            opened = self._receive(sock)
            if not opened.startswith("0"):
                raise HintRefused("not an Engine.IO server")
            timing = json.loads(opened[1:])
            host_id, secret = self._credential()
            auth = json.dumps({"host_id": host_id, "secret": secret})
            sock.send(f"40{NAMESPACE},{auth}")
            sock.settimeout((timing["pingInterval"] + timing["pingTimeout"]) / 1000)
            while not self._stop.is_set():
                self._take(sock, self._receive(sock))
        finally:
            sock.close(timeout=0)

    def _receive(self, sock: websocket.WebSocket) -> str:
        frame = sock.recv()
        if not isinstance(frame, str) or len(frame) > MAX_FRAME or not frame:
            raise HintRefused("the connection ended")
        return frame

    def _take(self, sock: websocket.WebSocket, frame: str) -> None:
        if frame == "2":
            sock.send("3")
        elif frame.startswith(f"42{NAMESPACE},"):
            event = json.loads(frame[len(f"42{NAMESPACE},") :])
            if isinstance(event, list) and event[:1] == ["work"]:
                self._on_work()
            elif isinstance(event, list) and event[:1] == ["tell"]:
                self._on_connect()
        elif frame.startswith(f"40{NAMESPACE}"):
            log.info("hints from the controller are connected")
            self.connected.set()
            self._on_connect()
        elif frame.startswith((f"44{NAMESPACE}", f"41{NAMESPACE}", "41", "1")):
            raise HintRefused("the controller refused or closed the connection")
