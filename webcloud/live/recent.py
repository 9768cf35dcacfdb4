"""The hints of the last moments, for pages that were drawn before they could hear.

A page is drawn first and connects a moment later; what changes in between is
told to nobody.  So a page carries the ``mark`` of when it began to be drawn,
and hears on connecting what came after.  A mark is ``process:number``; one of
another process, or too old to be answered, says only that anything may have
changed.  Nothing here is kept beyond the process or decides who may hear it.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Collection

MOST = 500


class Recent:
    """A bounded stream of hints, each with the room it was sent to."""

    def __init__(self, most: int = MOST) -> None:
        self._process = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._sent = 0
        self._hints: deque[tuple[int, str, dict[str, str]]] = deque(maxlen=most)

    def mark(self) -> str:
        """The present place in the stream."""
        with self._lock:
            return f"{self._process}:{self._sent}"

    def add(self, room: str, hint: dict[str, str]) -> None:
        with self._lock:
            self._sent += 1
            self._hints.append((self._sent, room, hint))

    def since(self, mark: str, rooms: Collection[str]) -> list[dict[str, str]] | None:
        """What was sent to these rooms after the mark; None when that is not known."""
        process, _, number = mark.partition(":")
        if process != self._process or not number.isascii() or not number.isdigit():
            return None
        with self._lock:
            seen = int(number)
            if seen > self._sent or seen < self._sent - len(self._hints):
                return None
            return [hint for at, room, hint in self._hints if at > seen and room in rooms]
