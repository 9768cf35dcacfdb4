"""What a page hears when its live connection comes up, after it was drawn."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.support.people import Person, log_in
from webcloud.live import publish
from webcloud.live.socket import socketio

ORIGIN = {"Origin": "http://localhost"}


def drawn(client: FlaskClient) -> str:
    """The mark in a page that is drawn now."""
    found = re.search(r'name="webcloud-drawn" content="([^"]+)"', client.get("/instances").text)
    assert found is not None
    return found[1]


def heard(app: Flask, client: FlaskClient, auth: dict[str, Any] | None) -> list[Any]:
    """The events that a page which connects now gets at once."""
    connection = socketio.test_client(
        app, namespace="/live", auth=auth, flask_test_client=client, headers=ORIGIN
    )
    assert connection.is_connected("/live")
    return [(event["name"], *event["args"]) for event in connection.get_received(namespace="/live")]


def test_a_change_between_drawing_and_connecting_is_not_missed(
    app: Flask, client: FlaskClient, member: Person, stranger: Person
) -> None:
    log_in(client, "mai")
    mark = drawn(client)
    with app.app_context():
        publish.changed_now("instance", "one", member.project_id)
        publish.changed_now("instance", "theirs", stranger.project_id)
        publish.changed_now("host", "theirs", None)
    assert heard(app, client, {"drawn": mark}) == [("changed", {"kind": "instance", "id": "one"})]


def test_a_page_of_an_earlier_process_is_told_to_look_at_everything(
    app: Flask, client: FlaskClient, member: Person
) -> None:
    log_in(client, "mai")
    assert heard(app, client, {"drawn": "another:5"}) == [("look",)]


def test_a_page_that_tells_no_mark_hears_nothing_old(
    app: Flask, client: FlaskClient, member: Person
) -> None:
    log_in(client, "mai")
    publish.changed_now("instance", "one", member.project_id)
    assert heard(app, client, {}) == []
    assert heard(app, client, {"drawn": 5}) == []
    assert heard(app, client, None) == []
