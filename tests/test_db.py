"""Sessions, their commits, and what follows a commit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webcloud.conductor.models import PeriodicRow
from webcloud.db import Database, after_commit, now, translated_errors
from webcloud.errors import Unavailable


@pytest.fixture
def file(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'webcloud.db'}")


def test_every_action_after_a_commit_runs_though_one_fails(
    file: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise RuntimeError("hint lost")

    with file.transaction() as session:
        after_commit(session, lambda: ran.append("first"))
        after_commit(session, fail)
        after_commit(session, lambda: ran.append("last"))
    assert ran == ["first", "last"]
    assert "an action after a commit failed" in caplog.text


def test_a_rolled_back_transaction_runs_no_action(file: Database) -> None:
    ran: list[str] = []
    with pytest.raises(ValueError, match="no"), file.transaction() as session:
        after_commit(session, lambda: ran.append("never"))
        raise ValueError("no")
    assert ran == []


def test_an_action_after_a_commit_may_open_a_transaction_of_its_own(file: Database) -> None:
    ran: list[str] = []

    def again() -> None:
        with file.transaction():
            ran.append("inner")

    with file.transaction() as session:
        after_commit(session, again)
    assert ran == ["inner"]


@pytest.mark.parametrize(
    "error", [PoolTimeout("none left"), InterfaceError("select", {}, Exception("closed"))]
)
def test_a_database_that_is_too_busy_or_gone_is_said_to_be_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable), translated_errors():
        raise error


@pytest.mark.parametrize("flushed", [True, False])
def test_what_a_reading_changes_is_thrown_away(file: Database, flushed: bool) -> None:
    PeriodicRow.__table__.create(file.engine)  # type: ignore[attr-defined]
    with file.transaction() as session:
        session.add(PeriodicRow(name="kept", run_at=now()))
    with file.reading() as session:
        session.get_one(PeriodicRow, "kept").failures = 7
        session.add(PeriodicRow(name="new", run_at=now()))
        if flushed:
            session.flush()
    with file.reading() as session:
        session.execute(update(PeriodicRow).values(failures=8))
    with file.reading() as session:
        assert [(row.name, row.failures) for row in session.scalars(select(PeriodicRow))] == [
            ("kept", 0)
        ]


def test_readers_and_a_writer_do_not_hold_each_other_up(file: Database) -> None:
    with file.transaction() as session:
        session.execute(text("CREATE TABLE t (n INTEGER)"))
    together = threading.Barrier(20)

    def read(_number: int) -> int:
        with file.reading() as session:
            together.wait(10)
            return int(session.scalar(text("SELECT count(*) FROM t")) or 0)

    with file.transaction() as session, ThreadPoolExecutor(20) as pool:
        session.execute(text("INSERT INTO t VALUES (1)"))
        assert list(pool.map(read, range(20))) == [0] * 20
