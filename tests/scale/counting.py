"""Counts what crosses between controller and agents, and what is asked of the database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, request, request_started
from sqlalchemy import event

from webcloud.db import Database
from webcloud.live.socket import socketio


@dataclass
class Counted:
    """``statements`` are without BEGIN, COMMIT and savepoints, which ask for nothing."""

    messages: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    commits: int = 0

    def __str__(self) -> str:
        kinds = Counter(" ".join(text.split())[:110] for text in self.statements)
        lines = [f"{count:3} {text}" for text, count in kinds.most_common()]
        return "\n".join(
            [
                f"{len(self.messages)} messages: {', '.join(self.messages)}",
                f"{len(self.statements)} statements in {self.commits} commits:",
                *lines,
            ]
        )


@contextmanager
def counting(database: Database) -> Iterator[Counted]:
    """Everything of the block, in every thread of this process."""
    counted = Counted()
    lock = threading.Lock()

    def statement(_c: Any, _cursor: Any, text: str, *_: Any) -> None:
        if not text.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            with lock:
                counted.statements.append(text)

    def committed(_connection: Any) -> None:
        counted.commits += 1

    emit = socketio.emit

    def hinting(name: str, *values: Any, **options: Any) -> None:
        if options.get("namespace") == "/agents":
            counted.messages.append(f"hint {name}")
        emit(name, *values, **options)

    def note(_app: Flask, **_: Any) -> None:
        if request.path.startswith("/agents/"):
            with lock:
                counted.messages.append(f"{request.method} {request.path.split('/')[3]}")

    request_started.connect(note)
    event.listen(database.engine, "before_cursor_execute", statement)
    event.listen(database.engine, "commit", committed)
    socketio.emit = hinting
    try:
        yield counted
    finally:
        request_started.disconnect(note)
        socketio.emit = emit
        event.remove(database.engine, "before_cursor_execute", statement)
        event.remove(database.engine, "commit", committed)
