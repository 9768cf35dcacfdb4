"""Errors as people read them: pages, fragments, and the way to the login."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tests.frontend.conftest import Shown
from tests.support import pages
from webcloud.db import Database
from webcloud.errors import Unavailable


def test_an_error_page_says_what_why_and_next_with_a_request_id(shown: Shown) -> None:
    answer = pages.get(shown.client, "/instances/none", language="vi")
    assert answer.status_code == 404
    assert "Ở đây không có gì" in answer.text
    assert answer.headers["X-Openstack-Request-Id"] in answer.text
    assert 'id="rail"' in answer.text


def test_a_visitor_who_is_not_logged_in_is_sent_to_the_login_and_back(client: FlaskClient) -> None:
    answer = pages.get(client, "/instances?q=a")
    assert answer.status_code == 302
    assert answer.location == "/login?next=%2Finstances%3Fq%3Da"
    part = pages.get(client, "/instances", part=True)
    assert part.status_code == 401


def test_a_refused_action_goes_to_the_messages_not_in_place_of_the_page(shown: Shown) -> None:
    path = f"/instances/{shown.instance_id}/actions/start"
    answer = pages.send(shown.client, path, shown.token, part=True)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#messages"
    assert "already running" in answer.text
    assert "<html" not in answer.text


def test_a_failed_refetch_leaves_the_screen_as_it_is(shown: Shown) -> None:
    answer = pages.get(shown.client, "/instances/none", part=True)
    assert answer.status_code == 404
    assert answer.headers["HX-Reswap"] == "none"


def test_the_error_page_stands_when_the_database_is_what_failed(
    app: Flask, shown: Shown, database: Database
) -> None:
    from webcloud.frontend import sessions

    def unreachable(_session: object) -> list[str]:
        raise Unavailable("The database cannot be reached.")

    with app.test_request_context("/"):
        assert sessions.read(unreachable, ["nothing"]) == ["nothing"]


def test_words_for_scripts_are_in_the_pages_language(shown: Shown) -> None:
    text = pages.get(shown.client, "/instances", language="vi").text
    assert "{count} máy ảo" in text
