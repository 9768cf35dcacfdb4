"""A database server that crashes and comes back under load: nothing is lost, nobody sees a 500.

``OUTAGE_RESTARTS`` makes the loop longer (``make outages``).
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from tests.conductor.kinds import begin, build, journal, log
from tests.support import databases
from tests.support.databases import Server
from tests.support.people import PASSWORD, Person, make_person
from webcloud import create_app
from webcloud.conductor import registry, signals
from webcloud.conductor.models import OperationRow
from webcloud.conductor.runner import Conductor
from webcloud.config import Config
from webcloud.db import Base, Database
from webcloud.errors import Unavailable
from webcloud.identity import quotas
from webcloud.identity.bootstrap import ensure_admin

RESTARTS = int(os.environ.get("OUTAGE_RESTARTS", "3"))
KEYPAIRS = "/compute/v2.1/os-keypairs"


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test's own, to be crashed."""
    started = databases.start(request.param)
    yield started
    started.end()


@pytest.fixture
def app(
    server: Server, config: Config, monkeypatch: pytest.MonkeyPatch, cheap_hasher: None
) -> Iterator[Flask]:
    monkeypatch.setattr(registry, "_operations", {})
    monkeypatch.setattr(quotas, "DEFAULTS", {**quotas.DEFAULTS, "key_pairs": -1})
    monkeypatch.setattr(signals, "_accepted", [])
    application = create_app(Config(**{**vars(config), "database_url": server.url}))
    database: Database = application.extensions["webcloud"].database
    Base.metadata.create_all(database.engine)
    with database.transaction() as session:
        ensure_admin(session, PASSWORD)
    yield application
    database.engine.dispose()


def cut(database: Database) -> None:
    """Have the server end every other connection."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            )
            return
        others = connection.execute(
            text("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()")
        )
        for (number,) in others.all():
            connection.execute(text(f"KILL CONNECTION {number}"))


def test_a_change_whose_connection_is_cut_is_refused_whole_and_the_next_one_works(
    app: Flask, member: Person, database: Database
) -> None:
    other = Database(database.engine.url.render_as_string(hide_password=False))
    with pytest.raises(Unavailable), database.transaction() as session:
        session.execute(text("UPDATE project SET description = 'half'"))
        cut(other)
        session.execute(text("UPDATE project SET description = 'whole'"))
    cut(other)
    client = app.test_client()
    body = {"keypair": {"name": "after"}}
    assert client.post(KEYPAIRS, json=body, headers=member.headers).status_code == 200
    with database.reading() as session:
        found = set(session.scalars(text("SELECT description FROM project")))
    assert not found & {"half", "whole"}
    other.engine.dispose()


class Load:
    """Clients that make key pairs and accept operations, and count how they are answered."""

    def __init__(self, app: Flask, person: Person, database: Database) -> None:
        self._app = app
        self._person = person
        self._database = database
        self._stop = threading.Event()
        self.made = build(journal, journal, journal)
        self.statuses: Counter[int] = Counter()
        self.key_pairs: list[str] = []
        self.operations: list[str] = []
        self._threads = [
            threading.Thread(target=self._make_key_pairs, args=(number,)) for number in range(3)
        ]
        self._threads.append(threading.Thread(target=self._accept))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _make_key_pairs(self, worker: int) -> None:
        client, number = self._app.test_client(), 0
        while not self._stop.wait(0.02):
            number += 1
            name = f"key-{worker}-{number}"
            answer = client.post(
                KEYPAIRS, json={"keypair": {"name": name}}, headers=self._person.headers
            )
            self.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                self.key_pairs.append(name)

    def _accept(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self.operations.append(begin(self._database, self.made))
            except Unavailable:
                self.statuses[503] += 1


def test_nothing_is_lost_while_the_server_crashes_every_few_seconds(
    app: Flask, server: Server, database: Database
) -> None:
    person = make_person(app, "mai", "member", "blue")
    conductor = Conductor(database, workers=2)
    conductor.start()
    with Load(app, person, database) as load:
        for _ in range(RESTARTS):
            time.sleep(1.5)
            server.crash()
            time.sleep(0.5)
            server.start_again()
        time.sleep(1.0)
    assert set(load.statuses) <= {200, 503}, load.statuses
    assert load.statuses[200] and load.operations
    until = time.monotonic() + 60
    while unfinished(database):
        assert time.monotonic() < until, "operations are not carried on"
        time.sleep(0.2)
    conductor.stop()
    answer = app.test_client().get(KEYPAIRS, headers=person.headers)
    listed = {item["keypair"]["name"] for item in answer.get_json()["keypairs"]}
    assert set(load.key_pairs) <= listed
    for operation_id in load.operations:
        assert log(database, operation_id, "mark") == ["mark one", "mark two", "mark three"]
    print(f"{RESTARTS} crashes, {dict(load.statuses)}, {len(load.operations)} operations")


def unfinished(database: Database) -> int:
    with database.reading() as session:
        rows = session.query(OperationRow).where(OperationRow.finished_at.is_(None))
        return rows.count()
