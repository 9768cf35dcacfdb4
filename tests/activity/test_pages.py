"""The activity pages and the drawer: what is going on, whoever began it, and only one's own."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support import pages
from tests.support.furnished import furnish
from tests.support.people import Person, log_in
from webcloud.conductor import story
from webcloud.conductor.models import OperationRow
from webcloud.db import Database
from webcloud.instances.operations.stop import StopInstance


@pytest.fixture
def operations(database: Database, member: Person, stranger: Person) -> tuple[str, str]:
    """Ids of an operation in the member's project and of one in the stranger's."""
    there = furnish(database)
    with database.transaction() as session:
        mine = pages.put_instance(session, member, "mine", there.image_id, there.host_id)
        theirs = pages.put_instance(session, stranger, "theirs", there.image_id, there.host_id)
        first = pages.put_operation(session, mine, step="copy_image", progress=0.25, why="")
        second = pages.put_operation(
            session, theirs, StopInstance, status="failed", error_message="The host is gone."
        )
        return first.id, second.id


@pytest.fixture
def browser(app: Flask, member: Person) -> FlaskClient:
    client = app.test_client()
    log_in(client, "mai")
    return client


def main_of(text: str) -> str:
    return text.split("<main")[1].split("</main", maxsplit=1)[0]


def test_a_project_sees_its_own_operations_only(
    browser: FlaskClient, operations: tuple[str, str]
) -> None:
    text = pages.get(browser, "/activity?everywhere=1").text
    assert "mine" in text
    assert "theirs" not in text
    assert pages.get(browser, f"/activity/{operations[1]}").status_code == 404


def test_operators_may_look_at_every_project(app: Flask, operations: tuple[str, str]) -> None:
    client = app.test_client()
    log_in(client, "admin")
    assert "theirs" not in main_of(pages.get(client, "/activity").text)
    assert "theirs" in main_of(pages.get(client, "/activity?everywhere=1").text)
    assert "The host is gone." in pages.get(client, f"/activity/{operations[1]}").text


def test_the_drawer_is_on_every_page_and_tells_the_step(
    browser: FlaskClient, operations: tuple[str, str]
) -> None:
    for path in ("/images", "/instances/none"):
        text = pages.get(browser, path).text
        assert 'id="activity-drawer"' in text
        assert "1 in progress" in text
        assert "Copying the image to the host 25 %" in text


def test_an_operation_is_told_step_by_step(database: Database, operations: tuple[str, str]) -> None:
    with database.reading() as session:
        row = session.get_one(OperationRow, operations[0])
        (told,) = story.tell(session, [row])
    states = [(line.name, line.status) for line in told.lines]
    assert states[:3] == [("place", "done"), ("copy_image", "running"), ("build", "waiting")]
    assert told.lines[0].seconds == 0.042
    assert told.current is told.lines[1]
    assert told.current.progress == 0.25
    assert not told.finished
    assert told.seconds >= 90


def test_an_operation_of_an_unknown_kind_is_told_by_its_stored_names(
    database: Database, operations: tuple[str, str]
) -> None:
    with database.transaction() as session:
        row = session.get_one(OperationRow, operations[1])
        row.kind = "instance.teleport"
    with database.reading() as session:
        (told,) = story.tell(session, [session.get_one(OperationRow, operations[1])])
    assert told.words == "instance.teleport"
    assert [line.status for line in told.lines] == ["failed"]
    assert told.current is None
