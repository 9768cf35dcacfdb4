"""A database that has gone away: every address says so with 503, none with an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.people import Person, log_in
from tests.support.routes import Route, routes
from webcloud.db import Database
from webcloud.live.socket import socketio
from webcloud.web import Edge


@pytest.fixture
def away() -> Iterator[Database]:
    """A database that nobody can reach."""
    gone = Database("sqlite:////nowhere/at/all.sqlite")
    yield gone
    gone.engine.dispose()


@pytest.fixture
def edge(app: Flask) -> Edge:
    found: Edge = app.extensions["webcloud"]
    return found


def wrong_answers(app: Flask, send: Any) -> list[str]:
    """Addresses that answer with an error other than a plain 503 with when to try again."""
    found = []
    for route in routes(app):
        if route.websocket:
            continue
        answer = send(route)
        unavailable = answer.status_code == 503 and "Retry-After" in answer.headers
        if answer.status_code >= 500 and not unavailable and route.rule != "/healthz":
            found.append(f"{route} {answer.status_code}")
    return found


@pytest.fixture(params=["application/json", "text/html"])
def send(request: pytest.FixtureRequest, client: FlaskClient, admin: Person) -> Any:
    """Asks for a route as the operator does, in a browser or by the API."""
    token = log_in(client, admin.name)

    def asked(route: Route) -> TestResponse:
        headers = admin.headers if route.is_api else {"X-CSRFToken": token}
        if route.is_agents:
            headers = {"Authorization": "Bearer host.secret"}
        return route.send(client, **headers, Accept=request.param)

    return asked


def test_every_address_answers_503_while_the_database_is_away(
    app: Flask, send: Any, away: Database, edge: Edge
) -> None:
    edge.database = away
    assert wrong_answers(app, send) == []


def test_every_address_answers_503_when_the_database_goes_after_the_look_at_who_calls(
    app: Flask, send: Any, away: Database, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, authorize = edge.database, edge.authorize

    def then_gone(permission: str) -> Any:
        edge.database = there
        caller = authorize(permission)
        edge.database = away
        return caller

    monkeypatch.setattr(edge, "authorize", then_gone)
    assert wrong_answers(app, send) == []


def test_a_page_says_in_words_that_the_database_is_away(
    app: Flask, client: FlaskClient, admin: Person, away: Database, edge: Edge
) -> None:
    log_in(client, admin.name)
    there, edge.database = edge.database, away
    answer = client.get("/instances", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "The database cannot be reached or is locked." in answer.text
    assert "req-" in answer.text
    edge.database = there
    assert client.get("/instances").status_code == 200


def test_a_fragment_says_it_where_the_page_shows_messages(
    app: Flask, client: FlaskClient, admin: Person, away: Database, edge: Edge
) -> None:
    token = log_in(client, admin.name)
    edge.database = away
    headers = {"HX-Request": "true", "Accept": "text/html", "X-CSRFToken": token}
    answer = client.post("/instances", headers=headers)
    assert answer.status_code == 503
    assert answer.headers["HX-Retarget"] == "#messages"
    assert "cannot be reached" in answer.text


def test_live_connections_are_refused_until_the_database_is_back(
    app: Flask, client: FlaskClient, admin: Person, away: Database, edge: Edge
) -> None:
    log_in(client, admin.name)
    there = edge.database

    def connected(namespace: str, auth: dict[str, str]) -> bool:
        connection = socketio.test_client(
            app,
            namespace=namespace,
            auth=auth,
            flask_test_client=client,
            headers={"Origin": "http://localhost"},
        )
        return bool(connection.is_connected(namespace))

    edge.database = away
    assert not connected("/live", {})
    assert not connected("/agents", {"host_id": "h", "secret": "s"})
    edge.database = there
    assert connected("/live", {})
