"""Looks at this host by itself, and tells the controller when it has changed.

One thread: every 15 seconds, and sooner when a domain changed behind our back
or commands ended, what is ours to mend is mended, the host is surveyed, and the survey is
sent if it differs from the last one that was delivered, or that one is minutes
old.  In between, ``standing`` lets the full list of domain states say that the
delivered survey still holds, so that a quiet host costs no request of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable

from agents.channel import Backoff
from agents.controller_api import Refused, Unreachable
from agents.errors import AgentError
from agents.wire.codec import encode
from agents.wire.reports import Repair, SurveyReport, SurveyResult

log = logging.getLogger(__name__)

EVERY_SECONDS, RESEND_SECONDS = 15.0, 300.0
# A burst of changes is looked at once: this long after the first of them, this often at most.
SOON_SECONDS, AFTER_WORK_SECONDS, PAUSE_SECONDS = 0.5, 5.0, 3.0
MOST_REPAIRS = 100


class Surveyor:
    """``mend`` returns what it has put right; ``look`` takes the survey."""

    def __init__(
        self,
        mend: Callable[[], list[Repair]],
        look: Callable[[], SurveyResult],
        tell: Callable[[SurveyReport], None],
        every: float = EVERY_SECONDS,
    ) -> None:
        self._mend = mend
        self._look = look
        self._tell = tell
        self._every = every
        self._condition = threading.Condition()
        self._due = 0.0
        self._stopped = False
        self._run_id = secrets.token_hex(8)
        self._sequence = 0
        self._repairs: list[Repair] = []
        self._told = ""
        self._told_at = float("-inf")
        self._holds_since: float | None = None

    def soon(self) -> None:
        """Something here has changed that nobody asked for."""
        self._within(SOON_SECONDS)

    def after_work(self) -> None:
        """A command has ended; others of the same operation may follow."""
        self._within(AFTER_WORK_SECONDS)

    def standing(self) -> tuple[str, float]:
        """The digest of the delivered survey and seconds since it was last seen to hold."""
        with self._condition:
            if self._holds_since is None:
                return "", 0.0
            return self._told, time.monotonic() - self._holds_since

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def run(self) -> None:
        """Until ``stop``; meant for a thread of its own."""
        backoff = Backoff("telling the controller what is on this host")
        while self._wait():
            try:
                self._once()
            except (Unreachable, Refused, AgentError, OSError) as error:
                # Said once; looked at again with the next beat, or when a connection came back.
                backoff.failed(error)
                continue
            backoff.worked()

    def _within(self, seconds: float) -> None:
        with self._condition:
            self._due = min(self._due, time.monotonic() + seconds)
            self._condition.notify_all()

    def _wait(self) -> bool:
        """Until a look is due; never less than PAUSE_SECONDS after the last one."""
        with self._condition:
            while not self._stopped:
                left = self._due - time.monotonic()
                if left <= 0:
                    self._due = time.monotonic() + self._every
                    return True
                self._condition.wait(left)
            return False

    def _once(self) -> None:
        began = time.monotonic()
        self._repairs = (self._repairs + self._mend())[-MOST_REPAIRS:]
        survey = self._look()
        digest = digest_of(survey)
        with self._condition:
            unchanged = digest == self._told
        if not unchanged or self._repairs or began - self._told_at >= RESEND_SECONDS:
            self._send(survey, digest, began)
        with self._condition:
            self._holds_since = began
        self._rest(began)

    def _send(self, survey: SurveyResult, digest: str, began: float) -> None:
        with self._condition:
            self._told, self._holds_since = "", None
        self._sequence += 1
        age = time.monotonic() - began
        self._tell(
            SurveyReport(self._run_id, self._sequence, digest, age, survey, tuple(self._repairs))
        )
        self._repairs = []
        with self._condition:
            self._told, self._told_at = digest, began

    def _rest(self, began: float) -> None:
        with self._condition:
            if not self._stopped:
                left = PAUSE_SECONDS - (time.monotonic() - began)
                self._condition.wait_for(lambda: self._stopped, max(left, 0.0))


def digest_of(survey: SurveyResult) -> str:
    """The same for equal surveys, whatever took them."""
    text = json.dumps(encode(survey), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
