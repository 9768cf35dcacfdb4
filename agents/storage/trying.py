"""Goes on with a transfer that was cut, as long as something gets through.

The pauses grow while nothing does; after MOST in a row the transfer is given
up for now, and the controller asks for it again.
"""

from __future__ import annotations

from agents.dispatch import Task
from agents.errors import AgentError

MOST, LONGEST_PAUSE = 6, 8.0


class Trying:
    """``at`` is told how far it is, ``again`` pauses before the next attempt."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._furthest = -1
        self._vain = 0

    def at(self, done: int) -> None:
        if done > self._furthest:
            self._furthest, self._vain = done, 0

    def again(self, error: AgentError) -> None:
        """Raises ``error`` when enough was tried, Superseded when nobody waits any more."""
        self._vain += 1
        if self._vain >= MOST:
            raise error
        self._task.superseded.wait(min(2.0 ** (self._vain - 2), LONGEST_PAUSE))
        self._task.check()
