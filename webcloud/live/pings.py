"""Pings the connections of agents, all from one thread, and tells when one has answered.

Engine.IO makes no event of an answer, and starts a thread for each ping that
is to be sent; with hundreds of agents those threads would be most of what an
idle controller does.  Only connections that have said whose they are are
taken over; the first ping of each is still Engine.IO's own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from engineio import packet
from engineio.exceptions import SocketIsClosedError

log = logging.getLogger(__name__)

# Pings that are due within this time are sent together, in seconds.
TOGETHER_SECONDS = 1.0


class Pinger:
    """One thread, started with the first connection; every connection waits equally long."""

    def __init__(self) -> None:
        self._due: deque[tuple[float, Any]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def take_over(self, engine: Any, connection: Any) -> None:
        """From its next answer on the connection is pinged from here."""

        def schedule_ping() -> None:
            connection.last_ping = None
            self._later(time.monotonic() + engine.ping_interval, connection)

        connection.schedule_ping = schedule_ping

    def _later(self, due: float, connection: Any) -> None:
        with self._changed:
            self._due.append((due, connection))
            if len(self._due) == 1:
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pings", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due)
                left = self._due[0][0] - time.monotonic()
            if left > 0:
                time.sleep(max(left, TOGETHER_SECONDS))
            self.ping_due()

    def ping_due(self) -> None:
        """Ping every connection whose time has come."""
        while self._due and self._due[0][0] <= time.monotonic():
            connection = self._due.popleft()[1]
            if connection.closing or connection.closed:
                continue
            connection.last_ping = time.time()
            try:
                # A queue takes it; a thread of the connection's own sends it.
                connection.send(packet.Packet(packet.PING))
            except SocketIsClosedError:
                continue  # It ended this moment.
            except Exception:
                log.exception("a connection could not be pinged")


def listen(engine: Any, environ: dict[str, Any], told: Callable[[], None], pinger: Pinger) -> None:
    """Call ``told``, on the connection's own thread, with each answer to a ping.

    ``environ`` is of the request that began the connection; one that has
    ended meanwhile, or that is not over Engine.IO, is never told of.
    """
    connection = engine.sockets.get(environ.get("webcloud.live", ""))
    if connection is None:
        return
    receive = connection.receive

    def received(frame: Any) -> None:
        receive(frame)
        if frame.packet_type == packet.PONG:
            told()

    connection.receive = received
    pinger.take_over(engine, connection)
