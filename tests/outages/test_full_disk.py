"""A controller whose disk is full: refused in words, nothing damaged, and on it goes with room.

A real small filesystem holds the database and the images.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conductor.kinds import begin, build, journal, log, look
from tests.images.calls import QCOW2, Images
from tests.support.people import Person, log_in
from tests.support.small_disk import fill, small_disk
from webcloud import create_app
from webcloud.conductor import registry, signals
from webcloud.conductor.runner import Conductor
from webcloud.config import Config
from webcloud.db import Database
from webcloud.errors import Unavailable
from webcloud.images import store

KEYPAIRS = "/compute/v2.1/os-keypairs"
MEGABYTES = 24

pytestmark = pytest.mark.sqlite("a server keeps its database on a disk of its own")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of a few megabytes."""
    with small_disk(tmp_path / "disk", MEGABYTES) as folder:
        yield folder


@pytest.fixture
def app(disk: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    (disk / "controller").mkdir()
    file = disk / "controller" / "webcloud.sqlite"
    file.write_bytes(config.database_file.read_bytes())
    monkeypatch.setattr(store, "RESERVE", 0)  # Half a gigabyte more than there is.
    settings = dataclasses.replace(config, state_dir=disk, database_url=f"sqlite:///{file}")
    application = create_app(settings)
    yield application
    application.extensions["webcloud"].database.engine.dispose()


@pytest.fixture
def filling(disk: Path) -> Path:
    return disk / "filling"


def create(app: Flask, person: Person, name: str) -> tuple[int, str]:
    body = {"keypair": {"name": name}}
    answer = app.test_client().post(KEYPAIRS, json=body, headers=person.headers)
    return answer.status_code, answer.text


def test_changes_are_refused_in_words_and_work_again_as_soon_as_there_is_room(
    app: Flask, disk: Path, filling: Path, member: Person
) -> None:
    assert create(app, member, "before")[0] == 200
    fill(filling)
    refused = 0
    for number in range(200):
        status, told = create(app, member, f"full-{number}")
        assert status in (200, 503), told
        refused += status == 503
    assert refused
    assert "disk that holds the database is full" in told
    assert "Make room there" in told
    listed = app.test_client().get(KEYPAIRS, headers=member.headers)
    assert listed.status_code == 200, "reading goes on"
    filling.unlink()
    assert create(app, member, "after")[0] == 200
    with sqlite3.connect(disk / "controller" / "webcloud.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_page_says_that_the_disk_is_full(
    app: Flask, client: FlaskClient, filling: Path, member: Person
) -> None:
    token = log_in(client, member.name)
    fill(filling)
    for number in range(50):
        fields = {"csrf_token": token, "name": f"k{number}"}
        answer = client.post("/key-pairs/generate", data=fields, headers={"Accept": "text/html"})
        if answer.status_code == 503:
            break
    assert answer.status_code == 503
    assert "disk that holds the database is full" in answer.text
    assert answer.headers["Retry-After"]


def test_an_upload_that_does_not_fit_is_refused_and_told_when_to_try_again(
    app: Flask, disk: Path, member: Person
) -> None:
    images = Images(app.test_client(), member)
    image_id = images.create()["id"]
    answer = images.put(image_id, QCOW2 + bytes(2 * MEGABYTES * 2**20))
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]
    for file in (disk / "controller" / "images").glob("*"):
        file.unlink()
    assert create(app, member, "room")[0] == 200


def test_operations_go_on_when_there_is_room_again(
    app: Flask, filling: Path, monkeypatch: pytest.MonkeyPatch, member: Person
) -> None:
    monkeypatch.setattr(registry, "_operations", {})
    monkeypatch.setattr(signals, "_accepted", [])
    database: Database = app.extensions["webcloud"].database
    made = build(journal, journal, journal)
    accepted = [begin(database, made) for _ in range(5)]
    fill(filling)
    conductor = Conductor(database, workers=2)
    conductor.start()
    while True:
        try:
            accepted.append(begin(database, made))
        except Unavailable:
            break
    time.sleep(1)
    filling.unlink()
    until = time.monotonic() + 30
    while any(look(database, each).finished_at is None for each in accepted):
        assert time.monotonic() < until, "not on its feet within 30 seconds"
        time.sleep(0.1)
    conductor.stop()
    for each in accepted:
        assert log(database, each, "mark") == ["mark one", "mark two", "mark three"]
