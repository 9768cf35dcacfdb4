"""Walks every route there is: permission, refusals, forms, headers.

A new route is covered by being registered.  One that anybody may call, or
that lets a reader change something, must be added to the lists below, where
a reviewer sees it.
"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.people import Person, form_token, log_in
from tests.support.routes import Route, everything_in, routes
from webcloud.db import Database
from webcloud.identity.permissions import PERMISSIONS, Who

PUBLIC = {
    "GET /compute",
    "GET /compute/v2.1",
    "GET /console",
    "GET /console/<kind>",
    "GET /healthz",
    "GET /identity",
    "GET /identity/v3",
    "GET /image",
    "GET /image/versions",
    "GET /login",
    "GET /network",
    "GET /network/v2.0",
    "GET /openapi.json",
    "POST /identity/v3/auth/tokens",
    "POST /login",
    "POST /login/link",
}

# What a reader may change is only about the reader.
READERS_OWN = {
    "DELETE /identity/v3/auth/tokens",
    "POST /identity/v3/users/<user_id>/password",
    "POST /logout",
    "POST /session/preferences",
    "POST /session/project",
}


@pytest.fixture
def every(app: Flask) -> list[Route]:
    found = list(routes(app))
    assert len(found) > 20
    return found


def wrong(routes_: list[str]) -> str:
    return "\n" + "\n".join(routes_)


def is_refused(answer: TestResponse) -> bool:
    if answer.status_code == 302:
        return answer.headers["Location"].startswith("/login")
    return answer.status_code in (401, 403)


def test_sec_S70_every_route_declares_a_permission_of_the_table(every: list[Route]) -> None:
    undeclared = [str(route) for route in every if route.permission not in PERMISSIONS]
    assert not undeclared, wrong(undeclared)


def test_what_anybody_may_call_is_on_the_list(every: list[Route]) -> None:
    assert {str(route) for route in every if route.needed is Who.PUBLIC} - PUBLIC == set()


def test_what_a_reader_may_change_is_on_the_list(every: list[Route]) -> None:
    weak = (Who.LOGIN, Who.READER)
    found = {str(route) for route in every if route.changes and route.needed in weak}
    assert found - READERS_OWN == set()


def test_only_agents_addresses_use_the_agents_credential(every: list[Route]) -> None:
    assert {str(one) for one in every if one.is_agents != (one.needed is Who.AGENT)} == set()


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_sec_S59_nobody_gets_past_any_door_and_nothing_changes(
    accept: str, every: list[Route], client: FlaskClient, database: Database
) -> None:
    before = everything_in(database)
    token = form_token(client)
    open_doors = []
    for route in every:
        if route.needed is Who.PUBLIC:
            continue
        answer = route.send(client, **{"X-CSRFToken": token, "Accept": accept})
        if not is_refused(answer):
            open_doors.append(f"{route} {answer.status_code}")
    assert not open_doors, wrong(open_doors)
    after = everything_in(database)
    # That somebody without a good token wanted to join as a host is written down.
    knocks = [row for row in after["audit_entry"] if "'host.join_refused'" in row]
    assert len(knocks) == 1
    after["audit_entry"] = [row for row in after["audit_entry"] if row not in knocks]
    assert after == before


@pytest.mark.parametrize("token", ["junk", "0" * 64])
def test_sec_S59_a_bad_token_is_no_token(
    token: str, every: list[Route], client: FlaskClient
) -> None:
    taken = []
    for route in every:
        if route.needed is Who.PUBLIC:
            continue
        headers = {"X-Auth-Token": token, "Authorization": f"Bearer {token}"}
        answer = route.send(client, **headers)
        if not is_refused(answer):
            taken.append(f"{route} {answer.status_code}")
    assert not taken, wrong(taken)


def test_sec_S59_a_reader_changes_nothing_anywhere(
    every: list[Route], client: FlaskClient, reader: Person, database: Database
) -> None:
    token = log_in(client, reader.name)
    before = everything_in(database)
    allowed = []
    for route in every:
        if route.needed not in (Who.MEMBER, Who.ADMIN):
            continue
        headers = reader.headers if route.is_api else {"X-CSRFToken": token}
        answer = route.send(client, **headers)
        if answer.status_code != 403:
            allowed.append(f"{route} {answer.status_code}")
    assert not allowed, wrong(allowed)
    assert everything_in(database) == before


def test_sec_S59_a_member_does_not_operate_the_cloud(
    every: list[Route], client: FlaskClient, member: Person, database: Database
) -> None:
    token = log_in(client, member.name)
    before = everything_in(database)
    allowed = []
    for route in every:
        if route.needed is not Who.ADMIN:
            continue
        headers = member.headers if route.is_api else {"X-CSRFToken": token}
        answer = route.send(client, **headers)
        if answer.status_code != 403:
            allowed.append(f"{route} {answer.status_code}")
    assert not allowed, wrong(allowed)
    assert everything_in(database) == before


def test_no_route_fails_on_something_that_does_not_exist(
    every: list[Route], client: FlaskClient, admin: Person
) -> None:
    token = log_in(client, admin.name)
    failing = []
    for route in every:
        if not route.has_arguments or route.is_agents or route.websocket:
            continue
        headers = admin.headers if route.is_api else {"X-CSRFToken": token}
        answer = route.send(client, **headers)
        if answer.status_code >= 500:
            failing.append(f"{route} {answer.status_code}")
    assert not failing, wrong(failing)


def test_sec_S88_the_apis_refuse_a_browsers_cookie(
    every: list[Route], client: FlaskClient, admin: Person
) -> None:
    token = log_in(client, admin.name)
    taken = []
    for route in every:
        if not route.is_api or route.needed is Who.PUBLIC:
            continue
        answer = route.send(client, **{"X-CSRFToken": token})
        if answer.status_code != 401:
            taken.append(f"{route} {answer.status_code}")
    assert not taken, wrong(taken)


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
def test_sec_S88_no_form_is_taken_without_its_token_or_from_elsewhere(
    origin: str | None, every: list[Route], client: FlaskClient, admin: Person, database: Database
) -> None:
    token = log_in(client, admin.name)
    headers = {} if origin is None else {"Origin": origin, "X-CSRFToken": token}
    before = everything_in(database)
    taken = []
    for route in every:
        if route.is_api or route.is_agents or not route.changes:
            continue
        answer = route.send(client, **headers)
        if answer.status_code != 403:
            taken.append(f"{route} {answer.status_code}")
    assert not taken, wrong(taken)
    assert everything_in(database) == before


def test_sec_S88_looking_changes_nothing(
    every: list[Route], client: FlaskClient, admin: Person, database: Database
) -> None:
    log_in(client, admin.name)
    before = everything_in(database)
    failing = []
    for route in every:
        if route.changes or route.is_agents or route.websocket:
            continue
        for accept in ("application/json", "text/html"):
            headers = {"Accept": accept, **(admin.headers if route.is_api else {})}
            answer = route.send(client, **headers)
            if answer.status_code >= 500 and route.path != "/healthz":
                failing.append(f"{route} {answer.status_code}")
    assert not failing, wrong(failing)
    assert everything_in(database) == before


def test_sec_S89_every_answer_carries_the_security_headers(
    every: list[Route], client: FlaskClient, admin: Person
) -> None:
    browser = client.application.test_client()
    log_in(browser, admin.name)
    bare = []
    for route in every:
        if route.websocket:
            continue
        for visitor in (client, browser):
            answer = route.send(visitor, Accept="text/html")
            if not is_protected(answer):
                bare.append(f"{route} {answer.status_code}")
    assert not bare, wrong(bare)


def is_protected(answer: TestResponse) -> bool:
    headers = answer.headers
    parts = (part.strip().split(" ") for part in headers["Content-Security-Policy"].split(";"))
    policy = {name: set(values) for name, *values in parts}
    scripts = policy.get("script-src", policy["default-src"])
    return (
        policy["default-src"] == {"'none'"}
        and scripts <= {"'self'", "'none'", "'wasm-unsafe-eval'"}
        and policy["frame-ancestors"] in ({"'none'"}, {"'self'"})
        and policy["base-uri"] == {"'none'"}
        and headers["X-Content-Type-Options"] == "nosniff"
        and headers["X-Frame-Options"] in ("DENY", "SAMEORIGIN")
        and headers["Cross-Origin-Opener-Policy"] == "same-origin"
        and headers["Referrer-Policy"] in ("same-origin", "no-referrer")
        and headers["X-Openstack-Request-Id"].startswith("req-")
    )


def test_sec_S59_a_method_that_is_not_there_is_refused(
    every: list[Route], client: FlaskClient, admin: Person
) -> None:
    addresses = client.application.url_map.bind("localhost")
    taken = []
    for path in {route.path for route in every}:
        for method in {"POST", "PUT", "PATCH", "DELETE"} - set(addresses.allowed_methods(path)):
            answer = client.open(path, method=method, headers=admin.headers)
            if answer.status_code not in (403, 404, 405):
                taken.append(f"{method} {path} {answer.status_code}")
    assert not taken, wrong(taken)
