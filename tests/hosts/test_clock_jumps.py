"""Hosts and their tokens over a clock that jumps an hour."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.rooms import add_host, fresh_database
from webcloud.db import Database, now
from webcloud.errors import Unauthorized
from webcloud.hosts import enrolment, presence
from webcloud.hosts.models import Host, JoinToken

HOUR = 3600.0


@pytest.fixture
def rooms(tmp_path: Path) -> Database:
    return fresh_database(tmp_path)


def host(rooms: Database, name: str) -> Host:
    with rooms.reading() as session:
        return session.query(Host).where(Host.name == name).one()


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_host_that_was_heard_stays_so_over_a_jump_and_a_silent_one_silent(
    jump: float, rooms: Database
) -> None:
    old = now() - timedelta(seconds=jump)
    with rooms.transaction() as session:
        add_host(session, "heard", last_seen_at=old - timedelta(seconds=1))
        add_host(session, "silent", last_seen_at=old - timedelta(minutes=1))
    assert not presence.is_heard(host(rooms, "heard")), "not before the jump is known"
    presence.clock_jumped(rooms, jump)
    assert presence.is_heard(host(rooms, "heard"))
    assert not presence.is_heard(host(rooms, "silent"))
    with rooms.reading() as session:
        assert presence.unheard(session) == [], "this process has not listened for long"


def test_a_host_seen_in_the_future_is_neither_heard_nor_left_so(rooms: Database) -> None:
    with rooms.transaction() as session:
        ahead = add_host(session, "n1", last_seen_at=now() + timedelta(hours=1)).id
    assert not presence.is_heard(host(rooms, "n1"))
    assert presence.is_stale(host(rooms, "n1"))
    presence.note(rooms, ahead)
    assert presence.is_heard(host(rooms, "n1"))


def test_a_join_token_of_before_a_jump_back_is_refused(rooms: Database) -> None:
    with rooms.transaction() as session:
        token = enrolment.make_join_token(session, "n1")
        session.execute(update(JoinToken).values(expires_at=now() + timedelta(hours=2)))
    with pytest.raises(Unauthorized), rooms.transaction() as session:
        enrolment.join(session, token, "uuid", 1)
