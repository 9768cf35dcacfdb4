"""Rows that creating and deleting both change are locked in one order, so that neither waits
for the other for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, select

from tests.conductor.kinds import turn
from tests.instances.compute import Compute
from tests.support.fake_hosts import answer_hosts
from tests.support.furnished import Furnished
from webcloud.conductor.models import OperationRow
from webcloud.db import Database
from webcloud.identity import quotas


@contextmanager
def quota_rows(database: Database) -> Iterator[list[str]]:
    """The resources whose rows are locked meanwhile, in the order of the statements."""
    locked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("UPDATE quota_usage"):
            given = parameters.values() if isinstance(parameters, dict) else parameters
            named = dict.fromkeys(each for each in given if each in quotas.DEFAULTS)
            locked.extend(each for each in named if each not in locked)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield locked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def finish(database: Database) -> None:
    """Carry every operation to its end."""
    for _ in range(50):
        with database.reading() as session:
            ids = session.scalars(
                select(OperationRow.id).where(OperationRow.finished_at.is_(None))
            ).all()
        if not ids:
            return
        for operation_id in ids:
            turn(database, operation_id)
        answer_hosts(database)
    raise AssertionError("an operation does not end")


def test_creating_and_deleting_lock_the_quota_in_the_same_order(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    with quota_rows(database) as claimed:
        server_id = compute.create(furnished.image_id)
    finish(database)
    assert compute.call("DELETE", f"/servers/{server_id}").status_code == 204
    with quota_rows(database) as released:
        finish(database)
    assert claimed == released == ["disk_gb", "instances", "memory_mb", "ports", "vcpus"]
