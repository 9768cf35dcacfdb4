"""Live connections of which nobody knows yet whose they are.

A connection holds threads from its first byte, but says who it is only when
it joins a namespace.  So few may be unknown at once, and not for long; who is
turned away tries again, and looks on a timer meanwhile.
"""

from __future__ import annotations

import threading
import time
from typing import Any

MOST = 64
SECONDS = 10.0


class Strangers:
    """Watches the connections of one Engine.IO server."""

    def __init__(self, most: int = MOST, seconds: float = SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()

    def share_of(self, threads: int) -> None:
        """Take no more than a quarter of these threads."""
        self._most = min(MOST, threads // 4)

    def watch(self, engine: Any) -> None:
        """Stand in front of the server's own handlers."""
        connect, disconnect = engine.handlers["connect"], engine.handlers["disconnect"]

        def connected(sid: str, environ: dict[str, Any]) -> Any:
            if not self._let_in(sid, environ, engine):
                return False
            return connect(sid, environ)

        def disconnected(sid: str, *reason: Any) -> Any:
            self._forget(sid)
            return disconnect(sid, *reason)

        engine.on("connect", connected)
        engine.on("disconnect", disconnected)

    def is_known(self, environ: dict[str, Any]) -> None:
        """The connection that began with this request has said whose it is."""
        self._forget(environ.get("webcloud.live", ""))

    def _let_in(self, sid: str, environ: dict[str, Any], engine: Any) -> bool:
        moment = time.monotonic()
        with self._lock:
            late = [each for each, since in self._since.items() if moment - since > self._seconds]
            for each in late:
                del self._since[each]
            allowed = len(self._since) < self._most
            if allowed:
                self._since[sid] = moment
                environ["webcloud.live"] = sid
        for each in late:
            # Waits for a peer that may take nothing any more.
            engine.start_background_task(engine.disconnect, each)
        return allowed

    def _forget(self, sid: str) -> None:
        with self._lock:
            self._since.pop(sid, None)
