"""How long work rests when the worker that held it dies.

Right after the blow the rows say which leases were held.  Each is then looked
at ten times a second until another worker has it, or has carried it on.  What
waits when the next controller is struck is counted apart: its heir was hit.
Where there are two controllers, what moves on at once was the living one's.
"""

from __future__ import annotations

import threading
import time

from sqlalchemy import select

from webcloud.conductor.models import OperationRow
from webcloud.db import Database
from webcloud.errors import WebcloudError

LOOK_SECONDS, LONGEST = 0.1, 120.0
LIVING, LATE = 0.5, 2.0


class Takeovers:
    """``seconds`` is one number for each piece of work that lost its worker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads: list[threading.Thread] = []
        self._strikes = 0
        self.seconds: list[float] = []
        self.interrupted = 0

    def struck(self, *, killed: bool) -> None:
        """A controller was hit at this moment; one that is only frozen inherits nothing.

        Returns at once: whoever asked may be the one to wake a frozen database.
        """
        self._strikes += 1
        if killed:
            thread = threading.Thread(
                target=self._watch, args=(time.monotonic(), self._strikes), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(LONGEST)

    def _watch(self, moment: float, strike: int) -> None:
        held = self._look()
        if time.monotonic() - moment > LATE:
            return  # The database was away: these are the leases of somebody else.
        while held and time.monotonic() < moment + LONGEST:
            time.sleep(LOOK_SECONDS)
            if self._strikes != strike:
                self.interrupted += len(held)
                return
            present = self._look(list(held))
            for operation_id in [each for each in held if each in present]:
                if present[operation_id] != held[operation_id]:
                    rested = time.monotonic() - moment
                    self.seconds += [rested] if rested > LIVING else []
                    del held[operation_id]
        self.seconds += [LONGEST] * len(held)

    def _look(self, ids: list[str] | None = None) -> dict[str, str | None]:
        """Lease tokens by operation: of these, or of all that are held; none while it is away."""
        question = select(OperationRow.id, OperationRow.lease_token)
        if ids is None:
            question = question.where(
                OperationRow.finished_at.is_(None), OperationRow.lease_token.is_not(None)
            )
        else:
            question = question.where(OperationRow.id.in_(ids))
        try:
            with self._database.reading() as session:
                return {row.id: row.lease_token for row in session.execute(question)}
        except WebcloudError:
            return {}


def percentile(numbers: list[float], part: float) -> float:
    """The smallest number that is not below ``part`` of them; 0 for none."""
    if not numbers:
        return 0.0
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
