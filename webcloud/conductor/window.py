"""How much of what is due a controller looks at, to take a few of it.

Alone, it takes what has been due longest.  Several controllers of one database
would all want the same operations, and all but one would ask in vain for each:
so whoever often asks in vain looks at more, and picks its few at random.
"""

from __future__ import annotations

import random

FEW = 8  # operations that one look takes
MOST = 128  # operations that one look finds


class Window:
    """``size`` doubles when others were often quicker, and shrinks when they seldom were."""

    def __init__(self) -> None:
        self.size = FEW
        self._gained = self._lost = 0

    def note(self, *, gained: bool) -> None:
        """An operation that was due has been asked for."""
        if gained:
            self._gained += 1
        else:
            self._lost += 1

    def pick(self, ready: list[str]) -> list[str]:
        """FEW of these at most, in their order."""
        if 4 * self._lost > self._gained:
            self.size = min(2 * self.size, MOST)
        elif 16 * self._lost < self._gained:
            self.size = max(self.size // 2, FEW)
        self._gained = self._lost = 0
        if len(ready) <= FEW:
            return ready
        return [ready[i] for i in sorted(random.sample(range(len(ready)), FEW))]
