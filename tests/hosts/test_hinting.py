"""A lost hint is sent again while its work waits, and rarely while a host works long at it."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.support.rooms import add_host, fresh_database
from webcloud.db import Database, new_id, now
from webcloud.hosts import hinting
from webcloud.hosts.models import HostCommand
from webcloud.live import publish


@pytest.fixture
def rooms(tmp_path: Path) -> Database:
    return fresh_database(tmp_path)


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(publish, "work_now", found.append)
    monkeypatch.setattr(hinting, "_looks", count(1))
    return found


def put(database: Database, status: str, age: float, ended: float | None = None) -> str:
    """A host with one command given so many seconds ago."""
    with database.transaction() as session:
        host_id = add_host(session, new_id()).id
        session.add(
            HostCommand(
                id=new_id(),
                host_id=host_id,
                subject_id=new_id(),
                verb="survey",
                status=status,
                created_at=now() - timedelta(seconds=age),
                finished_at=None if ended is None else now() - timedelta(seconds=ended),
            )
        )
    return host_id


def test_only_hosts_with_work_that_waits_or_was_withdrawn_are_hinted_to(
    rooms: Database, hinted: list[str]
) -> None:
    waits, withdrawn = put(rooms, "open", 3), put(rooms, "void", 60, ended=3)
    put(rooms, "open", 0)
    put(rooms, "done", 5, ended=3)
    put(rooms, "void", 60, ended=30)
    hinting.hint_again(rooms)
    assert sorted(hinted) == sorted([waits, withdrawn])


def test_a_host_that_works_long_is_hinted_to_now_and_then(
    rooms: Database, hinted: list[str]
) -> None:
    works = put(rooms, "open", 60)
    for _ in range(hinting.RARELY - 1):
        hinting.hint_again(rooms)
    assert hinted == []
    hinting.hint_again(rooms)
    assert hinted == [works]
