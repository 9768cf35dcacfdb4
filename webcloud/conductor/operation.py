"""The words in which an operation is written.

An operation is a class in one file: its docstring, its parameters, the table
of steps with do and undo side by side, and the steps in order.  A step
either touches only the database or asks a host for something and waits.  It
returns Done or Wait, or raises; nothing else is accepted.  Its database
effects and the move to the next step commit together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from webcloud.conductor.models import OperationRow


@dataclass(frozen=True)
class Done:
    """The step is finished; ``state`` is remembered for later steps."""

    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wait:
    """Not yet. Run the step again after ``seconds``, or when woken earlier."""

    seconds: float
    why: str
    progress: float | None = None


class StepFailed(Exception):
    """The step can never succeed: unwind. ``code`` is stable, ``message`` is for people.

    What the step has written is taken back; ``keep`` writes what is to stay all
    the same, in the transaction that turns the operation round.
    """

    def __init__(
        self, code: str, message: str, *, keep: Callable[[Session], None] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.keep = keep


@dataclass
class Run:
    """One execution of one step, handed to its function.

    ``session`` is in the step's transaction.  ``state`` holds what earlier
    steps returned and must be treated as read-only; return Done(state) to add
    to it.  ``step`` is the step's name, prefixed with ``undo:`` while unwinding.
    ``persists`` says that a failure is tried again for ever: of an undo, and of
    a step that only ever goes on.
    """

    session: Session
    operation: OperationRow
    params: dict[str, Any]
    state: dict[str, Any]
    step: str
    now: datetime
    persists: bool = False

    @property
    def subject_id(self) -> str:
        return self.operation.subject_id


StepFunction = Callable[[Run], Done | Wait]


@dataclass(frozen=True)
class Step:
    """``words`` tells users what is happening, as an English message id.

    A step without ``undo`` must say in ``no_undo`` why none is needed.  One that
    is ``with_next`` shares its transaction with the step after it when both go
    well; it is for a short step that touches only the database.
    """

    name: str
    words: str
    do: StepFunction
    undo: StepFunction | None = None
    no_undo: str = ""
    with_next: bool = False

    def __post_init__(self) -> None:
        if self.undo is None and not self.no_undo:
            raise TypeError(f"step {self.name} has no undo and does not say why")


class Operation:
    """Subclass this once per operation file and list it in its domain's __init__.

    ``forward_only`` is for what must run to its end once accepted (deleting):
    it is neither cancelled nor given up, its steps have no undo and are repeated
    until they succeed, past the deadline with an alarm; whoever supersedes it
    waits for that end.  Raise ``version``
    when the meaning of a stored step changes; operations accepted by an older
    version finish by the list of steps that was stored with them.
    """

    kind: ClassVar[str]  # "instance.create"
    subject_type: ClassVar[str]  # "instance"
    words: ClassVar[str]  # "Create instance"; an English message id
    deadline_seconds: ClassVar[int] = 600
    version: ClassVar[int] = 1
    forward_only: ClassVar[bool] = False
    steps: ClassVar[tuple[Step, ...]]

    @staticmethod
    def finished(run: Run) -> None:
        """Called in the transaction that ends the operation well."""

    @staticmethod
    def failed(run: Run, code: str, message: str) -> None:
        """Called in the transaction that ends it after unwinding."""
