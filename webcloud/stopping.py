"""The end of a web worker: finish what was begun, then leave at once.

gunicorn would wait its whole graceful timeout for threads that hold open
WebSockets of pages and agents, which never end by themselves.  Here ordinary
requests are counted; once none is left and the conductor has given its work
back, the process ends.  Consoles are not touched, they live in the proxy.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from werkzeug.wsgi import ClosingIterator

LONGEST_SECONDS = 4.5  # within gunicorn's graceful timeout


class RequestCounter:
    """A WSGI middleware that knows how many ordinary requests are being answered."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_UPGRADE" in environ:
            return self._application(environ, start_response)
        self._add(1)
        try:
            return ClosingIterator(
                self._application(environ, start_response), [lambda: self._add(-1)]
            )
        except BaseException:
            self._add(-1)
            raise

    @property
    def busy(self) -> bool:
        with self._lock:
            return self._count > 0

    def _add(self, number: int) -> None:
        with self._lock:
            self._count += number


def end_quickly(worker: Any, requests: RequestCounter, conductor: Any) -> None:
    """Have SIGTERM end this worker as soon as it has nothing left to finish."""

    def on_term(number: int, frame: FrameType | None) -> None:
        worker.handle_exit(number, frame)
        threading.Thread(target=_finish, args=(requests, conductor)).start()

    signal.signal(signal.SIGTERM, on_term)


def _finish(requests: RequestCounter, conductor: Any) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    ending = threading.Thread(target=conductor.stop, daemon=True)
    ending.start()
    ending.join(LONGEST_SECONDS)
    # A request that the listening thread has just accepted must still be counted.
    time.sleep(0.1)
    while requests.busy and time.monotonic() < deadline:
        time.sleep(0.02)
    os._exit(0)
