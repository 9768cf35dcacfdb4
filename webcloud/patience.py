"""How long the web server waits for whoever sends slowly: each waiting holds a thread.

What a client sends must come at a modest pace from the first byte on, the
head of a request like its body; who is slower is hung up on, and an upload
goes on where it was cut.  While many are waited for at once, new ones get a
second only.  The thread that accepts waits for nobody: gunicorn's own would
linger there over every connection it closes.  Consoles and live connections
are left alone.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

GRACE_SECONDS = 20.0  # before the pace counts
CROWDED_SECONDS = 1.0  # the same for heads, while many are waited for
LINGER_SECONDS = 2.0  # for a peer to take the last bytes before the socket is closed
SLOWEST = 16 * 1024  # bytes a second, on average
# A peer that takes no byte of its answer for this long is gone (Linux: TCP_USER_TIMEOUT).
READER_MILLISECONDS = 60_000


class PacedSocket(socket.socket):
    """An accepted socket that reads as ended once its sender has fallen behind."""

    until: float | None = None  # None: no pace is asked for

    def pace(self, grace: float) -> None:
        """Begin to ask for the pace, after so many seconds."""
        self.until = time.monotonic() + grace

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.until is None or self.gettimeout() is not None:
            return super().recv(size, flags)
        left = self.until - time.monotonic()
        waiting = select.poll()
        waiting.register(self, select.POLLIN)
        if left <= 0 or not waiting.poll(left * 1000):
            return b""
        data = super().recv(size, flags)
        self.until += len(data) / SLOWEST
        return data


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads, which wait for nobody for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = 0
        self._lock = threading.Lock()

    def handle(self, conn: Any) -> Any:
        """One request, or none: its head must come in time."""
        if not isinstance(conn.sock, PacedSocket):
            conn.sock = PacedSocket(fileno=conn.sock.detach())
            if conn.sock.family in (socket.AF_INET, socket.AF_INET6):
                option = socket.TCP_USER_TIMEOUT
                conn.sock.setsockopt(socket.IPPROTO_TCP, option, READER_MILLISECONDS)
        crowded = self._count(1) > self.cfg.threads // 4
        conn.sock.pace(CROWDED_SECONDS if crowded else GRACE_SECONDS)
        conn.webcloud_head = True
        try:
            result = super().handle(conn)
        finally:
            self._head_came(conn)
        if not result:
            self._close(conn)
        return result

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The head is there; what follows it gets a pace of its own, or none."""
        self._head_came(conn)
        upgrades = req.method == "GET" and any(name == "UPGRADE" for name, _ in req.headers)
        conn.sock.pace(GRACE_SECONDS)
        if upgrades:
            conn.sock.until = None
        return super().handle_request(req, conn)

    def _close(self, conn: Any) -> None:
        """Close here what gunicorn would close in the thread that accepts.

        A socket that was handed over is no longer ours, and closed already.
        """
        crowded = self._count(1) > self.cfg.threads // 4
        try:
            if conn.sock.fileno() >= 0:
                util.close_graceful(conn.sock, 0.1 if crowded else LINGER_SECONDS)
        finally:
            self._count(-1)
            conn.close = _closed_already

    def _head_came(self, conn: Any) -> None:
        if conn.webcloud_head:
            conn.webcloud_head = False
            self._count(-1)

    def _count(self, change: int) -> int:
        with self._lock:
            self._waiting += change
            return self._waiting


def _closed_already(graceful: bool = False) -> None:
    """In place of a closed connection's own ``close``."""
