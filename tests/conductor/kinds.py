"""Operation kinds made for tests, and ways to run them without threads.

``build`` makes and registers a kind from step functions; ``drive`` runs an
operation to its end in this thread, as one worker would, without waiting for
times to come.  ``journal`` is what a step leaves in the database: one event
row, which its transaction keeps or loses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from webcloud.conductor import queries, registry, starting, steps, taking
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.conductor.runner import Conductor
from webcloud.db import Database, new_id

Function = Callable[[Run], Done | Wait]


def journal(run: Run) -> Done:
    """Leave a mark in the step's transaction."""
    run.session.add(
        OperationEvent(
            operation_id=run.operation.id,
            at=run.now,
            step=run.step,
            event="mark",
            detail=str(run.operation.generation),
        )
    )
    return Done()


def build(
    *dos: Function,
    kind: str = "thing.make",
    undo: Function | Sequence[Function | None] | None = journal,
    **attributes: Any,
) -> type[Operation]:
    """A registered kind with steps "one", "two", ... doing ``dos``; ``undo`` for all or each."""
    names = ["one", "two", "three", "four", "five"]
    undos = [undo] * len(dos) if undo is None or callable(undo) else list(undo)
    table = tuple(
        Step(names[i], names[i].title(), do, undos[i], no_undo="" if undos[i] else "Nothing.")
        for i, do in enumerate(dos)
    )
    hooks = {
        "finished": staticmethod(attributes.pop("finished", lambda run: None)),
        "failed": staticmethod(attributes.pop("failed", lambda run, code, message: None)),
    }
    body = {"kind": kind, "subject_type": "thing", "words": kind, "steps": table}
    return registry.register(type("Made", (Operation,), {**body, **hooks, **attributes}))


def begin(database: Database, operation: type[Operation], **given: Any) -> str:
    """Accept an operation on a subject of its own unless one is given; its id."""
    given.setdefault("params", {})
    given.setdefault("subject_id", new_id())
    with database.transaction() as session:
        return starting.start(session, operation, **given).id


def turn(database: Database, operation_id: str) -> None:
    """One worker's turn at the operation, due or not: until it naps or ends."""
    lease = taking.claim(database, "test", operation_id=operation_id)
    assert lease is not None, "somebody holds the operation, or it has ended"
    while steps.execute(database, lease):
        pass


def drive(database: Database, operation_id: str, most: int = 100) -> OperationRow:
    """Run the operation to its end, and give its row."""
    for _ in range(most):
        turn(database, operation_id)
        row = look(database, operation_id)
        if row.finished_at is not None:
            return row
    raise AssertionError(f"the operation still waits: {row.why}")


def look(database: Database, operation_id: str) -> OperationRow:
    with database.reading() as session:
        row = session.get(OperationRow, operation_id)
        assert row is not None
        return row


def log(database: Database, operation_id: str, *kinds: str) -> list[str]:
    """The operation's events as "event step", of these kinds or of all."""
    with database.reading() as session:
        rows = queries.events_of(session, operation_id)
        return [
            f"{row.event} {row.step}".strip() for row in rows if not kinds or row.event in kinds
        ]


def details(session: Session, operation_id: str, kind: str) -> list[str]:
    return [row.detail for row in queries.events_of(session, operation_id) if row.event == kind]


@contextmanager
def running(database: Database, **settings: Any) -> Iterator[Conductor]:
    """A conductor that is stopped however the block ends: it would disturb other tests."""
    conductor = Conductor(database, **{"workers": 2, **settings})
    conductor.start()
    try:
        yield conductor
    finally:
        conductor.stop()
