"""What hosts were caught at: each thing once an hour, and only so many things.

Kept in memory, because a flood of messages must not become a flood of rows or
queries; a restart forgets it, and then the thing is told once more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SECONDS = 3600.0
MOST = 50  # things a host is caught at per hour that are told


class ToldOnce:
    """Remembers what was told of each host."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()

    def is_news(self, host_id: str, what: str) -> bool:
        """Whether it has not been told in the last hour, nor too much of this host."""
        moment = self._monotonic()
        with self._lock:
            recent = {
                thing: at
                for thing, at in self._told.get(host_id, {}).items()
                if moment - at < SECONDS
            }
            news = what not in recent and len(recent) < MOST
            if news:
                recent[what] = moment
            self._told[host_id] = recent
        return news
