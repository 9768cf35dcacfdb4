"""The plan of an accepted operation: the steps it was accepted with.

The list of step names is stored with the operation, so that one accepted
before an upgrade is finished by the steps it began with, as long as they
still exist.  A row that this version cannot carry out raises Isolated: it is
set aside with an alarm and everything else goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webcloud.conductor import registry
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation, Step
from webcloud.db import Unreadable
from webcloud.words import Said, from_json

_PLAN = "_plan"
_STARTED = "_started"
_SAID = "_said"
_OWN = (_PLAN, _STARTED, _SAID)


class Isolated(Exception):
    """This program cannot carry out the row; ``reason`` says why, for operators."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Plan:
    """An operation's class and its steps in the order in which they were accepted."""

    operation: type[Operation]
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        return self.steps[self._position(name)]

    def after(self, name: str) -> Step | None:
        """The step to do next, or None when this was the last."""
        rest = self.steps[self._position(name) + 1 :]
        return rest[0] if rest else None

    def undoable(self, name: str, *, before: bool = False) -> str:
        """The nearest step with an undo, from this one (or before it) downwards; "" if none."""
        upto = self._position(name) + (0 if before else 1)
        names = [step.name for step in self.steps[:upto] if step.undo is not None]
        return names[-1] if names else ""

    def _position(self, name: str) -> int:
        for position, step in enumerate(self.steps):
            if step.name == name:
                return position
        raise Isolated(f"the plan has no step {name}")


def new_state(operation: type[Operation]) -> dict[str, Any]:
    """The state of an operation that is accepted now."""
    return {_PLAN: [step.name for step in operation.steps]}


def plan_of(row: OperationRow) -> Plan:
    """The stored plan.  Raises Isolated when this version cannot carry it out."""
    try:
        operation = registry.get(row.kind)
    except registry.UnknownKind:
        raise Isolated(f"no operation {row.kind} is known") from None
    for name in ("params", "state"):
        stored = getattr(row, name)
        if isinstance(stored, Unreadable) or not isinstance(stored, dict):
            raise Isolated(f"its {name} cannot be read")
    if row.plan_version > operation.version:
        raise Isolated(f"plan version {row.plan_version} is newer than this program")
    known = {step.name: step for step in operation.steps}
    names = row.state.get(_PLAN) or []
    gone = [name for name in names if name not in known]
    if gone or not names:
        raise Isolated(f"steps that no longer exist: {', '.join(gone) or 'all'}")
    return Plan(operation, tuple(known[name] for name in names))


def shown(row: OperationRow) -> dict[str, Any]:
    """The state as steps see it: outputs only, a copy."""
    return {key: value for key, value in row.state.items() if key not in _OWN}


def moved(row: OperationRow, outputs: dict[str, Any]) -> dict[str, Any]:
    """The state after a step has ended with these outputs."""
    kept = {key: row.state[key] for key in (_PLAN, _SAID) if key in row.state}
    return {**shown(row), **outputs, **kept}


def failed(row: OperationRow, message: str) -> dict[str, Any]:
    """The state of an operation that failed: with the message's values, if it has any."""
    state = moved(row, {})
    return {**state, _SAID: message.as_json()} if isinstance(message, Said) else state


def error_of(row: OperationRow) -> str:
    """Why the operation failed, as it was said; pages can translate that."""
    # A row whose state is broken is shown like the others.
    kept = row.state.get(_SAID) if isinstance(row.state, dict) else None
    return from_json(kept) if kept else row.error_message


def begun(row: OperationRow, moment: datetime) -> dict[str, Any]:
    """The state of an operation whose present step was begun at the moment."""
    return {**row.state, _STARTED: moment.timestamp()}


def begun_at(row: OperationRow) -> datetime | None:
    """When the present step was begun, or None before its first run was recorded."""
    stamp = row.state.get(_STARTED)
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC)
