"""One steady time for a process, whatever happens to the machine's clock.

Between two looks it goes on with the monotonic clock.  ``jump`` compares it
with a reference, the wall clock or the database server's, and ``adopt`` takes
that over; so a jump is noticed before anybody reads the new time, and what
was written in the old one can be put right (``webcloud.conductor.clocks``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

# The reference may drift so far, in seconds, before it counts as having jumped.
TOLERANCE = 2.0
# So long after a jump others may still write in the old time, until they have looked, too.
SETTLED_SECONDS = 10.0


class Clock:
    """Seconds since the epoch."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._settled_at = monotonic()

    def now(self) -> float:
        return self._monotonic() + self._offset

    def jump(self, reference: float) -> float:
        """How far the reference is ahead of this clock; 0.0 for a drift, which is followed."""
        ahead = reference - self.now()
        if abs(ahead) > TOLERANCE:
            return ahead
        self._offset += ahead
        return 0.0

    def adopt(self, jump: float) -> None:
        """Follow the reference."""
        self._offset += jump
        self._settled_at = self._monotonic() + SETTLED_SECONDS

    @property
    def settling(self) -> bool:
        """Whether it has jumped just now, so that moments of before prove nothing."""
        return self._monotonic() < self._settled_at
