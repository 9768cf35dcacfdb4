"""Failed logins are counted per name and per address, in bounded memory.

Only failures count, known and unknown names alike, so the limit tells nobody
which accounts exist.  The count is per process and forgotten at a restart.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from webcloud.errors import RateLimited
from webcloud.words import mark

WINDOW = 60.0
MOST_KEYS = 10_000


class Attempts:
    """Counts failures per key within windows of a minute; forgets the oldest keys first."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, *keys: str) -> None:
        """Raises RateLimited when any of the keys has failed too often."""
        with self._lock:
            for key in keys:
                began, count = self._of(key)
                if count >= self._limit:
                    raise RateLimited(
                        mark("Too many failed logins; wait a little and try again."),
                        retry_after=max(1, round(began + WINDOW - self._clock())),
                    )

    def failed(self, *keys: str) -> None:
        """Count one failure for each key."""
        with self._lock:
            for key in keys:
                began, count = self._of(key)
                self._counts[key] = (began, count + 1)
                self._counts.move_to_end(key)
            while len(self._counts) > MOST_KEYS:
                self._counts.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """A good login clears its name; an address stays counted, others may share it."""
        with self._lock:
            self._counts.pop(key, None)

    def _of(self, key: str) -> tuple[float, int]:
        now = self._clock()
        began, count = self._counts.get(key, (now, 0))
        return (now, 0) if now - began >= WINDOW else (began, count)


def name_key(name: str) -> str:
    """The key of a login name; case and length give no way around the limit."""
    return f"name:{name.casefold()[:255]}"


def address_key(address: str | None) -> str:
    """The key of a peer: its IPv4 address, or the /64 network of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address:{parsed}"
