"""The proxy's process: takes hand-overs, one thread for each console.

Listens only on its unix socket, and only to its own user and root.  A thread
costs about 0.05 MB, a forked process 3.35 MB.  The target is held by the
thread that serves it and by nothing shared.  Refuses to start twice on the
same socket.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from agents.wire.codec import decode, encode
from webcloud.config import Config
from webcloud.proxy.handover import Handover, ProxyDown, Receipt, close_all, ping, read_line
from webcloud.proxy.seats import Seats
from webcloud.proxy.session import serve

log = logging.getLogger(__name__)

STACK_BYTES = 256 * 1024
REQUEST_SECONDS = 2.0
PAUSE_SECONDS = 0.1  # after a failed accept, which would fail again at once
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


class Proxy:
    """The listening socket and the consoles it has taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seats = Seats()
        self._listener = _listen(path)
        self._inode = path.stat().st_ino

    def run(self) -> None:
        """Take hand-overs for ever; ends when ``close`` is called."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._listener.fileno() < 0:
                    return
                log.error("a hand-over could not be accepted: %s", error)
                time.sleep(PAUSE_SECONDS)
                continue
            try:
                threading.Thread(target=self._take, args=(connection,), daemon=True).start()
            except RuntimeError as error:
                # No thread can be had now; the browser asks again, the others go on.
                connection.close()
                log.error("a hand-over could not be served: %s", error)

    def close(self) -> None:
        """Stop listening. Open consoles end with the process."""
        self._listener.close()
        if self.path.exists() and self.path.stat().st_ino == self._inode:
            self.path.unlink()

    def _take(self, connection: socket.socket) -> None:
        taken: tuple[Handover, socket.socket] | None = None
        with connection:
            connection.settimeout(REQUEST_SECONDS)
            try:
                taken = self._request(connection)
            except (OSError, ValueError) as error:
                log.warning("a hand-over was refused: %s", error)
        if taken is not None:
            serve(taken[0], taken[1], self.seats)

    def _request(self, connection: socket.socket) -> tuple[Handover, socket.socket] | None:
        """Read one request and answer it; raises OSError or ValueError."""
        if _peer_uid(connection) not in (0, os.geteuid()):
            raise PermissionError("the peer is another user")
        line, descriptors = read_line(connection)
        try:
            message = json.loads(line)
            if message == {"ping": True}:
                self._answer(connection, Receipt(True, len(self.seats)))
                return None
            if not isinstance(message, dict) or len(descriptors) != 1:
                raise ValueError("expected one hand-over with one descriptor")
            target = decode(Handover, message.get("handover"))
            browser = socket.socket(fileno=descriptors[0])
            descriptors = []
        finally:
            close_all(descriptors)
        self._answer(connection, Receipt(True, len(self.seats)))
        return target, browser

    def _answer(self, connection: socket.socket, receipt: Receipt) -> None:
        connection.sendall(json.dumps(encode(receipt)).encode() + b"\n")


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.stat().st_uid == os.geteuid():
        path.parent.chmod(0o750)
    if path.exists():
        _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(512)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        ping(path)
    except ProxyDown:
        path.unlink()
    else:
        raise SystemExit(f"another console proxy is already listening at {path}")


def _peer_uid(connection: socket.socket) -> int:
    layout = struct.Struct("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    _pid, uid, _gid = layout.unpack(raw)
    return int(uid)


def main(config: Config | None = None) -> None:
    """Run the proxy until SIGTERM or SIGINT; then leave at once."""
    settings = (config or Config.from_environment()).with_defaults_filled()
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="proxy: %(message)s")
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(STACK_BYTES)
    # Blocked before any thread starts, so that none but this one takes them: a
    # handler run for a signal that another thread got may not wake a main
    # thread which waits for a lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    proxy = Proxy(settings.proxy_socket)
    log.info("ready at %s", settings.proxy_socket)
    threading.Thread(target=proxy.run, daemon=True).start()
    signal.sigwait(ENDING)
    proxy.close()
