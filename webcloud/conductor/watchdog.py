"""Ends the process when a step overruns, before its lease ends.

A worker that hangs in a step would wake up after another one has taken over.
So the stacks of all threads are written to the log and the process exits
with status 2 after 8 of the lease's 10 seconds; whoever started it starts it
again.  The token in the lease fences the worker even if this were to fail.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable

from webcloud.conductor.leases import Lease

log = logging.getLogger(__name__)

SECONDS = 8.0


def exit_process() -> None:
    """Leave at once, with nothing cleaned up: every worker's work is in its rows."""
    os._exit(2)


class Watchdog:
    """Watches the leases that this process holds."""

    def __init__(
        self, seconds: float = SECONDS, on_overrun: Callable[[], None] = exit_process
    ) -> None:
        self._seconds = seconds
        self._on_overrun = on_overrun
        self._watched: dict[str, Lease] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conductor-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self, lease: Lease) -> None:
        """From now on the lease must be renewed or forgotten in time."""
        self._watched[lease.token] = lease

    def forget(self, lease: Lease) -> None:
        self._watched.pop(lease.token, None)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds / 16):
            moment = time.monotonic()
            for lease in list(self._watched.values()):
                if moment - lease.taken > self._seconds:
                    self._overrun(lease)

    def _overrun(self, lease: Lease) -> None:
        self.forget(lease)
        log.critical(
            "operation %s: its step has run for %s s in %s; the process ends. Threads:\n%s",
            lease.operation_id,
            self._seconds,
            lease.worker,
            _stacks(),
        )
        self._on_overrun()


def _stacks() -> str:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()
