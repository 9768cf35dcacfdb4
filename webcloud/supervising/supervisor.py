"""The loop that keeps the children running until it is told to stop.

One thread, asleep in the kernel until a child dies, a signal comes or a
restart falls due.  It also keeps the logs from growing without bound.  A full
disk, or a terminal that is gone, never ends it: the children would end with it.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable

from webcloud.supervising.child import Child
from webcloud.supervising.logs import Logs

STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
HEARD = STOPPING | {signal.SIGCHLD}
LOG_SECONDS = 10.0
ECHO_SECONDS = 0.25


class Supervisor:
    """Children in the order they are started, which is also the order of their end."""

    def __init__(self, say: Callable[[str], None], logs: Logs) -> None:
        self.children: list[Child] = []
        self._say = say
        self._logs = logs
        self._said: list[str] = []

    def add(self, child: Child) -> None:
        child.start()
        self.children.append(child)

    def run(self) -> None:
        """Return once a signal asked to stop; the children still run then."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        next_logs = 0.0
        try:
            while True:
                self.look()
                now = time.monotonic()
                if now >= next_logs:
                    self._rotate()
                    next_logs = now + LOG_SECONDS
                heard = signal.sigtimedwait(HEARD, self._sleep_seconds())
                if heard is not None and heard.si_signo in STOPPING:
                    return
        finally:
            # Left blocked on purpose: a second Ctrl-C must not cut the stopping short.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def look(self) -> None:
        """Notice deaths, do the restarts that are due, echo the logs if that was asked."""
        for child in self.children:
            words = child.look()
            if words:
                self._tell(words)
        with contextlib.suppress(OSError):
            self._logs.echo()

    def stop(self) -> None:
        """Stop every child; no virtual machine depends on any of them.

        The agent ends first, so that its last reports still find the controller.
        """
        for child in self.children:
            child.stop()
        self.children.clear()

    def _rotate(self) -> None:
        """Say each trouble with a log once, as long as it lasts."""
        troubles = self._logs.rotate()
        for words in troubles:
            if words not in self._said:
                self._tell(words)
        self._said = troubles

    def _tell(self, words: str) -> None:
        # Where this goes may be full or gone; whoever reads it there is not helped by an end.
        with contextlib.suppress(OSError):
            self._say(words)

    def _sleep_seconds(self) -> float:
        due = [s for child in self.children if (s := child.wait_seconds()) is not None]
        return min([ECHO_SECONDS if self._logs.echoing else LOG_SECONDS, *due])
