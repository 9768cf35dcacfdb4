"""Ends an agent whose work has stopped although its connection stands.

The controller counts a host as alive while its connection answers pings; that
says nothing about the loops that claim commands and deliver reports.  They
give signs of life here, and one that gives none for STRIKES looks ends the
process, so that whoever keeps it running starts it again.  Guests do not
notice, and what was under way is in the journal.

Looks are counted, not seconds: while the machine was suspended, or the process
stopped, nothing could give a sign.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
# Together longer than the time-outs of one request to the controller, tried twice.
STRIKES = 36
HUNG_STATUS = 1


class Pulse:
    """One loop's signs of life: ``beat`` with each thing it begins, ``rest`` before it waits."""

    def __init__(self) -> None:
        self.beats = 0
        self.working = False

    def beat(self) -> None:
        self.beats += 1
        self.working = True

    def rest(self) -> None:
        self.working = False


class Watchdog:
    """``end`` is called, once, with the name of a loop that hangs."""

    def __init__(
        self, pulses: Mapping[str, Pulse], end: Callable[[str], None] | None = None
    ) -> None:
        self._pulses = pulses
        self._end = end or end_process
        self._seen: dict[str, int] = {}
        self._strikes: dict[str, int] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Until ``stop``, or until a loop hangs; meant for a thread of its own."""
        while not self._stop.wait(EVERY_SECONDS):
            hung = self.look()
            if hung:
                self._end(hung)
                return

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> str:
        """The name of a loop that hangs, or ""."""
        for name, pulse in self._pulses.items():
            still = pulse.working and self._seen.get(name) == pulse.beats
            self._seen[name] = pulse.beats
            self._strikes[name] = self._strikes.get(name, 0) + 1 if still else 0
            if self._strikes[name] >= STRIKES:
                return name
        return ""


def end_process(name: str) -> None:
    """End at once, saying where every thread stands."""
    log.critical("the thread %s hangs; the agent ends, to be started again", name)
    faulthandler.dump_traceback(sys.stderr)
    sys.stderr.flush()
    os._exit(HUNG_STATUS)
