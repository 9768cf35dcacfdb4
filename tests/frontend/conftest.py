"""The catalogue compiled, and a browser logged in where there is something to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from tests.support import pages
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person, log_in
from webcloud.db import Database, now
from webcloud.drift import recording
from webcloud.drift.recording import Seen
from webcloud.hosts.models import Host
from webcloud.instances.operations.delete import DeleteInstance
from webcloud.words import say

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "webcloud" / "translations" / "vi" / "LC_MESSAGES" / "messages.po"


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """What ``pybabel compile`` does in the set-up."""
    with CATALOGUE.open("rb") as source:
        catalogue = read_po(source, locale="vi")
    with CATALOGUE.with_suffix(".mo").open("wb") as target:
        write_mo(target, catalogue)


@dataclass(frozen=True)
class Shown:
    """A logged-in browser and what its pages are about."""

    client: FlaskClient
    token: str
    furnished: Furnished
    instance_id: str
    operation_id: str
    broken_id: str


@pytest.fixture
def shown(app: Flask, database: Database, admin: Person) -> Iterator[Shown]:
    """An operator's browser, with an instance in every kind of state."""
    furnished = furnish(database)
    with database.transaction() as session:
        image, host = furnished.image_id, furnished.host_id
        first = pages.put_instance(session, admin, "web-1", image, host, key_name="laptop")
        operation = pages.put_operation(session, first, status="done", step="build")
        creating = pages.put_instance(
            session, admin, "new", image, host, built=False, observed_power="absent"
        )
        pages.put_operation(session, creating, step="copy_image", progress=0.62, why="")
        broken = pages.put_instance(
            session,
            admin,
            "broken",
            image,
            None,
            built=False,
            observed_power="absent",
            fault={"code": "no_capacity", "message": "No host can take it.", "at": ""},
        )
        pages.put_operation(session, broken, status="failed", error_message="No host can take it.")
        going = pages.put_instance(session, admin, "going", image, host)
        pages.put_operation(session, going, DeleteInstance)
        pages.put_instance(session, admin, "off", image, host, observed_power="shutoff")
        pages.put_key(session, admin)
        missing = say("has no domain on {host}", host="n1")
        recording.record(
            session,
            session.get_one(Host, host),
            [Seen("I9", "domain_missing", first.id, missing, first.id, first.project_id)],
            now(),
        )
        instance_id, operation_id, broken_id = first.id, operation.id, broken.id
    client = app.test_client()
    token = log_in(client, "admin")
    yield Shown(client, token, furnished, instance_id, operation_id, broken_id)
