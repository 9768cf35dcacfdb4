"""Moves bytes between one browser and one guest until either goes away.

Uses poll(), because select() fails above descriptor 1023.  At most one
message waits in each direction: a side that does not read stops the other
side from being read, and a side that stands still for a minute is cut.
Returns a close code (RFC 6455, 7.4.1) and a reason that the page has words for.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass

from webcloud.proxy.client import Client, TooLong

CHUNK = 32 * 1024
STALL_SECONDS = 60.0
CLOSE_SECONDS = 1.0
GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


@dataclass(frozen=True)
class Ending:
    """How a console ended, as the browser is told."""

    code: int
    reason: str


BROWSER_LEFT = Ending(1000, "")
GUEST_CLOSED = Ending(1000, "guest_closed")
TOO_LONG = Ending(1009, "too_long")
STALLED = Ending(1008, "stalled")


class Relay:
    """One console. The descriptors belong to the caller, who closes them."""

    def __init__(self, client: Client, browser: socket.socket, guest: socket.socket) -> None:
        self._client = client
        self._browser = browser.fileno()
        self._guest = guest
        self._to_guest = b""

    def run(self) -> Ending:
        """Relay until the end, and say how it came."""
        waiting = select.poll()
        moved = time.monotonic()
        while True:
            stuck = self._client.is_blocked or bool(self._to_guest)
            left = moved + STALL_SECONDS - time.monotonic()
            if stuck and left <= 0:
                return STALLED
            _watch(waiting, self._browser, self._wanted_of_browser())
            _watch(waiting, self._guest.fileno(), self._wanted_of_guest())
            events = dict(waiting.poll(left * 1000 if stuck else None))
            if events:
                moved = time.monotonic()
            try:
                ending = self._serve_browser(events.get(self._browser, 0)) or self._serve_guest(
                    events.get(self._guest.fileno(), 0)
                )
            except TooLong:
                return TOO_LONG
            if ending is not None:
                return ending

    def _wanted_of_browser(self) -> int:
        reading = 0 if self._to_guest else select.POLLIN
        return reading | (select.POLLOUT if self._client.is_blocked else 0)

    def _wanted_of_guest(self) -> int:
        reading = 0 if self._client.is_blocked else select.POLLIN
        return reading | (select.POLLOUT if self._to_guest else 0)

    def _serve_browser(self, event: int) -> Ending | None:
        try:
            if event & select.POLLOUT:
                self._client.retry()
            if event & select.POLLIN:
                messages = self._client.take()
                if messages is None:
                    return BROWSER_LEFT
                self._to_guest += b"".join(messages)
                return self._push()
        except OSError:
            return BROWSER_LEFT
        return BROWSER_LEFT if event & GONE else None

    def _serve_guest(self, event: int) -> Ending | None:
        if event & select.POLLOUT:
            ending = self._push()
            if ending is not None:
                return ending
        if self._client.is_blocked:
            return GUEST_CLOSED if event & GONE else None
        if not event & (select.POLLIN | GONE):
            return None
        try:
            data = self._guest.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return GUEST_CLOSED
        if not data:
            return GUEST_CLOSED
        try:
            self._client.offer(data)
        except OSError:
            return BROWSER_LEFT
        return None

    def _push(self) -> Ending | None:
        """Give the guest what waits for it, as much as it takes."""
        try:
            if self._to_guest:
                self._to_guest = self._to_guest[self._guest.send(self._to_guest) :]
        except BlockingIOError:
            return None
        except OSError:
            return GUEST_CLOSED
        return None


def _watch(waiting: select.poll, descriptor: int, events: int) -> None:
    """Watch for these events; for none, not even a hang-up, which would spin the loop."""
    waiting.register(descriptor, events)
    if not events:
        waiting.unregister(descriptor)


def say_goodbye(client: Client, browser: socket.socket, ending: Ending) -> None:
    """Send a close frame and give the browser a moment to answer it.

    Closing at once with unread input would reset the connection, and the
    browser would never learn the reason.
    """
    waiting = select.poll()
    until = time.monotonic() + CLOSE_SECONDS
    try:
        client.shutdown(None, ending.code, ending.reason or None)
    except OSError:
        return
    descriptor = browser.fileno()
    if descriptor < 0:
        return
    waiting.register(descriptor, select.POLLIN)
    while time.monotonic() < until:
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            return
        try:
            if client.take() is None:
                return
        except (OSError, TooLong):
            return
