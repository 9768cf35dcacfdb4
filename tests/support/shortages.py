"""A process that has run out of threads or descriptors for a moment."""

from __future__ import annotations

import errno
import socket
import threading
from types import SimpleNamespace
from typing import Any


class FailingListener:
    """A listening socket whose first accept fails for want of descriptors."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.failed = 0

    def accept(self) -> Any:
        if not self.failed:
            self.failed += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()


def threading_without_a_thread() -> SimpleNamespace:
    """Stands for the module ``threading``: the first thread of it cannot be started."""
    refused: list[int] = []

    class Thread(threading.Thread):
        def start(self) -> None:
            if not refused:
                refused.append(1)
                raise RuntimeError("can't start new thread")
            super().start()

    return SimpleNamespace(Thread=Thread, Event=threading.Event, refused=refused)
