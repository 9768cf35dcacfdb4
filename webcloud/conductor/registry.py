"""What the conductor can carry out: operation kinds and periodic work.

Each domain registers its operation classes and reconcilers when the
application is put together.  It refuses two classes of one kind, two steps
of one name, an operation without steps and two reconcilers of one name, each of
which would make a stored row ambiguous, and an undo that would never run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webcloud.conductor.operation import Operation
from webcloud.db import Database

PeriodicFunction = Callable[[Database], None]


class UnknownKind(LookupError):
    """No operation of this kind is registered in this version of the program."""


@dataclass(frozen=True)
class Periodic:
    """A reconciler: ``function`` runs every ``every_seconds`` on one controller."""

    name: str
    every_seconds: float
    function: PeriodicFunction


_operations: dict[str, type[Operation]] = {}
_periodics: dict[str, Periodic] = {}


def register(operation_class: type[Operation]) -> type[Operation]:
    """Make the class known by its kind; usable as a decorator.

    Registering the same class again changes nothing, so that an application
    can be built twice in one process.  Raises TypeError for a duplicate.
    """
    kind = operation_class.kind
    if _operations.get(kind, operation_class) is not operation_class:
        raise TypeError(f"operation {kind} is registered twice")
    names = [step.name for step in operation_class.steps]
    if not names or len(set(names)) != len(names) or not all(names):
        raise TypeError(f"operation {kind} needs steps with different names, has {names}")
    if operation_class.forward_only and any(step.undo for step in operation_class.steps):
        raise TypeError(f"operation {kind} only goes forward, so its steps have no undo")
    _operations[kind] = operation_class
    return operation_class


def get(kind: str) -> type[Operation]:
    """The class registered for the kind.  Raises UnknownKind."""
    try:
        return _operations[kind]
    except KeyError:
        raise UnknownKind(kind) from None


def all_operations() -> list[type[Operation]]:
    """Every registered class, sorted by kind."""
    return [_operations[kind] for kind in sorted(_operations)]


def register_periodic(name: str, every_seconds: float, function: PeriodicFunction) -> None:
    """Run ``function(database)`` every ``every_seconds`` and whenever hinted.

    It must be repeatable: after a crash another controller runs it again.
    Raises TypeError when another function has the name.
    """
    wanted = Periodic(name, every_seconds, function)
    if _periodics.setdefault(name, wanted).function is not function:
        raise TypeError(f"periodic work {name} is registered twice")


def all_periodics() -> list[Periodic]:
    """Every registered reconciler, sorted by name."""
    return [_periodics[name] for name in sorted(_periodics)]
