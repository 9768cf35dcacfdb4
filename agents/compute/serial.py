"""Joins a guest's serial port to a socket that can be handed to another process.

Everything happens in callbacks on libvirt's own event thread: no thread per
console, and nothing ever waits inside libvirt.  Bytes are kept only as long as
the other side cannot take them, and reading stops while LIMIT are kept.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

from agents.errors import AgentError
from agents.libvirt_host import ENDED, READABLE, WRITABLE, SerialStream, WatchedSocket

log = logging.getLogger(__name__)

LIMIT, CHUNK = 262144, 65536


def join_serial(stream: SerialStream) -> int:
    """A descriptor on which the port's bytes flow both ways; the caller owns it."""
    ours, theirs = socket.socketpair()
    _Relay(stream, ours).start()
    return theirs.detach()


class _Relay:
    """Ends, and closes both sides, as soon as either side does."""

    def __init__(self, stream: SerialStream, ours: socket.socket) -> None:
        ours.setblocking(False)
        self._stream = stream
        self._socket = ours
        self._to_socket = b""
        self._to_guest = b""
        self._over = False
        self._lock = threading.RLock()

    def start(self) -> None:
        with self._lock:
            self._watched = WatchedSocket(self._socket.fileno(), self._socket_ready)
            self._stream.watch(self._stream_ready)

    def _stream_ready(self, events: int) -> None:
        self._step(events, self._read_guest)

    def _socket_ready(self, events: int) -> None:
        self._step(events, self._read_socket)

    def _step(self, events: int, read: Callable[[], bool]) -> None:
        with self._lock:
            if self._over:
                return
            try:
                alive = read() if events & READABLE else True
                self._write()
            except (AgentError, OSError) as error:
                log.debug("serial console ended: %s", error)
                alive = False
            if alive and not (events & ENDED and not events & READABLE):
                self._want()
            else:
                self._close()

    def _read_guest(self) -> bool:
        data = self._stream.receive(CHUNK)
        self._to_socket += data or b""
        return data != b""

    def _read_socket(self) -> bool:
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return True
        self._to_guest += data
        return bool(data)

    def _write(self) -> None:
        if self._to_guest:
            self._to_guest = self._to_guest[self._stream.send(self._to_guest) :]
        if self._to_socket:
            try:
                self._to_socket = self._to_socket[self._socket.send(self._to_socket) :]
            except BlockingIOError:
                log.debug("the reader of a serial console is slow")

    def _want(self) -> None:
        reading = READABLE if len(self._to_socket) < LIMIT else 0
        self._stream.want(reading | (WRITABLE if self._to_guest else 0))
        reading = READABLE if len(self._to_guest) < LIMIT else 0
        self._watched.want(reading | (WRITABLE if self._to_socket else 0))

    def _close(self) -> None:
        self._over = True
        self._stream.close()
        self._watched.close()
        self._socket.close()
