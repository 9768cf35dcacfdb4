"""An operation told as its steps, with times and errors, from its row and its log.

Words are English message ids, translated where they are shown.  Nothing here
changes a row, and an operation of a kind that this program no longer knows is
told by the names that were stored.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor import plan, registry
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.conductor.operation import Operation, Step
from webcloud.db import now
from webcloud.words import mark

STATUS_WORDS = {
    "queued": mark("Waiting to begin"),
    "running": mark("In progress"),
    "unwinding": mark("Undoing"),
    "done": mark("Done"),
    "failed": mark("Failed"),
    "cancelled": mark("Cancelled"),
}


@dataclass
class StepLine:
    """One step as it went: ``status`` is waiting, running, done, failed or undone."""

    name: str
    words: str
    status: str = "waiting"
    seconds: float | None = None
    tries: int = 0
    note: str = ""
    progress: float | None = None


@dataclass(frozen=True)
class Story:
    """One operation as users read it."""

    operation: OperationRow
    words: str
    status_words: str
    lines: list[StepLine] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.operation.finished_at is not None

    @property
    def error(self) -> str:
        """Why it failed, "" when it did not."""
        return plan.error_of(self.operation)

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        end = self.operation.finished_at or now()
        return max(0.0, (end - self.operation.created_at).total_seconds())

    @property
    def current(self) -> StepLine | None:
        """The step being done or undone."""
        if self.finished:
            return None
        return next((line for line in self.lines if line.name == self.operation.step), None)


def tell(session: Session, operations: Sequence[OperationRow]) -> list[Story]:
    """The stories of these operations, in their order; one query for all the events."""
    ids = [row.id for row in operations]
    events: dict[str, list[OperationEvent]] = defaultdict(list)
    if ids:
        question = select(OperationEvent).where(OperationEvent.operation_id.in_(ids))
        for event in session.scalars(question.order_by(OperationEvent.id)):
            events[event.operation_id].append(event)
    return [_story(row, events[row.id]) for row in operations]


def title(kind: str) -> str:
    """The operation's words, or its kind where this program does not know it."""
    operation = _class_of(kind)
    return operation.words if operation else kind


def _story(row: OperationRow, events: Sequence[OperationEvent]) -> Story:
    lines = [StepLine(step.name, step.words) for step in _steps(row)]
    by_name = {line.name: line for line in lines}
    began: dict[str, datetime] = {}
    for event in events:
        name = event.step.removeprefix("undo:")
        line = by_name.get(name)
        if line is None:
            if not name:
                continue
            line = by_name[name] = StepLine(name, name)
            lines.append(line)
        _apply(line, event, began)
    _mark_current(row, by_name, began)
    return Story(row, title(row.kind), STATUS_WORDS.get(row.status, row.status), lines)


def _apply(line: StepLine, event: OperationEvent, began: dict[str, datetime]) -> None:
    detail = _detail(event)
    if event.event == "started":
        began[line.name] = event.at
        if not event.step.startswith("undo:"):
            line.status = "running"
    elif event.event in ("done", "undone"):
        line.status = event.event
        if event.event == "done" and "ms" in detail:
            line.seconds = detail["ms"] / 1000
    elif event.event == "failed":
        line.status = "failed"
        if line.name in began:
            line.seconds = (event.at - began[line.name]).total_seconds()
    elif event.event == "retry":
        line.tries += 1


def _detail(event: OperationEvent) -> dict[str, Any]:
    """What the event keeps; nothing when that cannot be read, for the others are still told."""
    try:
        found = json.loads(event.detail) if event.detail else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _mark_current(
    row: OperationRow, lines: dict[str, StepLine], began: dict[str, datetime]
) -> None:
    line = lines.get(row.step)
    if line is None:
        return
    if row.finished_at is not None:
        if row.status != "done" and line.status == "running":
            line.status = "failed"
        return
    line.status = "running"
    line.progress = row.progress
    line.note = row.why
    if line.name in began:
        line.seconds = max(0.0, (now() - began[line.name]).total_seconds())


def _steps(row: OperationRow) -> tuple[Step, ...]:
    operation = _class_of(row.kind)
    return operation.steps if operation else ()


def _class_of(kind: str) -> type[Operation] | None:
    try:
        return registry.get(kind)
    except registry.UnknownKind:
        return None
