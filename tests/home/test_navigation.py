"""The start page, the rail and the command palette."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support import pages
from tests.support.furnished import furnish
from tests.support.people import Person, log_in
from webcloud.db import Database
from webcloud.home.navigation import GROUPS


@pytest.fixture
def browser(app: Flask, member: Person) -> FlaskClient:
    client = app.test_client()
    log_in(client, "mai")
    return client


def names(browser: FlaskClient, text: str) -> list[str]:
    answer = browser.get(f"/palette?q={text}").json
    assert answer is not None
    return [item["name"] for item in answer["items"]]


def test_people_come_for_their_instances(browser: FlaskClient) -> None:
    answer = pages.get(browser, "/")
    assert (answer.status_code, answer.location) == (303, "/instances")


def test_every_page_of_the_rail_exists_and_is_marked_when_it_is_shown(app: Flask) -> None:
    client = app.test_client()
    log_in(client, "admin")
    for _group, entries in GROUPS:
        for endpoint, _words, _icon in entries:
            assert endpoint in app.view_functions
            path = app.url_map.bind("localhost").build(endpoint)
            text = pages.get(client, path).text
            assert text.count('aria-current="page"') == 1, path
            assert f'href="{path}" title=' in text


def test_the_palette_finds_pages_actions_and_instances(
    browser: FlaskClient, database: Database, member: Person, stranger: Person
) -> None:
    there = furnish(database)
    with database.transaction() as session:
        pages.put_instance(session, member, "imperial", there.image_id, there.host_id)
        pages.put_instance(session, stranger, "impostor", there.image_id, there.host_id)
    assert names(browser, "IM") == ["Images", "imperial"]
    assert names(browser, "create") == ["Create instance"]
    assert "Hosts" not in names(browser, "")
    assert names(browser, "zzz") == []


def test_a_reader_is_not_offered_to_create(app: Flask, reader: Person) -> None:
    client = app.test_client()
    log_in(client, "ryan")
    assert names(client, "create") == []
