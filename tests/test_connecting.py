"""A connection that has rested is asked whether its server is still there before it is used."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.support.databases import Servers
from webcloud import connecting
from webcloud.db import Database
from webcloud.errors import Unavailable

OWN = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL CONNECTION {}"}


Pair = tuple[str, Database, Database]


@pytest.fixture(params=OWN)
def pair(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Pair]:
    """The kind of server, and two pools of connections to it."""
    url = servers.url(request.param)
    database, other = Database(url), Database(url)
    yield request.param, database, other
    for each in (database, other):
        each.engine.dispose()


def lost(kind: str, database: Database, other: Database) -> Database:
    """The first pool, with one connection, which the server has ended."""
    with database.reading() as session:
        number = session.scalar(text(OWN[kind]))
    with other.reading() as session:
        session.execute(text(END[kind].format(number)))
    time.sleep(0.1)
    return database


def test_a_rested_connection_whose_server_ended_it_is_replaced(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "RESTED_SECONDS", 0.0)
    database = lost(*pair)
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_one_that_was_just_used_is_not_asked_and_is_gone_after_one_failure(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "RESTED_SECONDS", 60.0)
    database = lost(*pair)
    with pytest.raises(Unavailable), database.reading() as session:
        session.scalar(text("SELECT 1"))
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_a_reading_leaves_what_the_server_has_prepared(servers: Servers) -> None:
    """psycopg throws it away at each rollback, and the server reads every statement anew."""
    database = Database(servers.url("postgresql"))
    for _ in range(10):
        with database.reading() as session:
            session.execute(text("SELECT 1"))
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    database.engine.dispose()
