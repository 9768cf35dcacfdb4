"""A disk on its way that no move owns any more is named."""

from __future__ import annotations

from pathlib import Path

from tests.support.rooms import fresh_database
from webcloud.admin.verify import store
from webcloud.conductor.models import OperationRow
from webcloud.db import new_id, now


def test_what_a_move_that_has_ended_left_is_named(tmp_path: Path) -> None:
    database = fresh_database(tmp_path)
    images, folder = tmp_path / "images", tmp_path / "transfers"
    with database.reading() as session:
        assert store.check_transfers(session, images) == []
    folder.mkdir()
    moment = now()
    with database.transaction() as session:
        for finished in (None, moment):
            row = OperationRow(
                id=new_id(),
                kind="instance.move",
                subject_type="instance",
                subject_id=new_id(),
                step="send_disk",
                run_at=moment,
                deadline_at=moment,
                created_at=moment,
                finished_at=finished,
            )
            session.add(row)
            (folder / row.id).touch()
    with database.reading() as session:
        (problem,) = store.check_transfers(session, images)
    assert (problem.invariant, problem.subject) == ("I8", row.id)
