"""How hosts are asked: all at the same time, each answer held against its own rows."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from agents.wire.codec import encode
from agents.wire.reports import SurveyResult
from tests.support.fake_hosts import answer_hosts
from tests.support.rooms import add_host
from webcloud.admin.verify import hosts as verify_hosts
from webcloud.db import Database
from webcloud.hosts.models import HostCommand


@pytest.fixture
def three_hosts(database: Database) -> Database:
    with database.transaction() as session:
        for name in ("n1", "n2", "n3"):
            add_host(session, name)
    return database


def test_the_second_host_is_asked_before_the_first_has_answered(three_hosts: Database) -> None:
    asked = threading.Event()

    def answer_once_all_are_asked() -> None:
        waiting = select(func.count()).where(HostCommand.status == "open")
        while not asked.wait(0.02):
            with three_hosts.reading() as session:
                if session.scalar(waiting) == 3:
                    break
        answer_hosts(three_hosts, lambda _: encode(SurveyResult((), stray_files=("x",))))

    thread = threading.Thread(target=answer_once_all_are_asked)
    thread.start()
    try:
        found = verify_hosts.check(three_hosts, 20)
    finally:
        asked.set()
        thread.join()
    assert [str(each) for each in found] == [
        f"I14 x: is a file on {name} that nothing owns" for name in ("n1", "n2", "n3")
    ]


def test_each_silent_host_is_one_problem(three_hosts: Database) -> None:
    found = verify_hosts.check(three_hosts, 0.2)
    assert [(each.invariant, each.subject) for each in found] == [
        ("I9", "n1"),
        ("I9", "n2"),
        ("I9", "n3"),
    ]


def test_without_hosts_nothing_is_asked(database: Database) -> None:
    assert verify_hosts.check(database, 0.2) == []
