"""Forms come from our own pages only, and send browsers to our own pages only."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.people import PASSWORD, Person, form_token, log_in
from webcloud.identity import redirects, secret_key, sessions

EVIL = [
    "//evil.example",
    "///evil.example",
    "////evil.example/login",
    "https://evil.example",
    "http:evil.example",
    "http:/evil.example",
    "https:///evil.example",
    "HTTPS://evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/%5cevil.example",
    "/%2f%2fevil.example",
    "//evil.example/%2e%2e",
    "/.evil.example",
    "/..//evil.example",
    "/@evil.example",
    "evil.example",
    "@evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "//evil.example@localhost/",
    "http://localhost/",
    "http://localhost@evil.example/",
    "//[::1",
    "/\u2028/evil.example",
    "/。evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "/identity/v3/projects",
    "/agents/claim",
    "/logout",
    "/" + "x" * 5000,
]


def test_sec_S86_no_form_of_address_leads_elsewhere(app: Flask, member: Person) -> None:
    for wanted in EVIL:
        client = app.test_client()
        token = form_token(client)
        data = {"csrf_token": token, "name": "mai", "password": PASSWORD, "next": wanted}
        answer = client.post("/login", data=data)
        if len(wanted) < 4000:
            assert (answer.status_code, answer.headers["Location"]) == (303, "/"), wanted
        else:
            assert answer.status_code == 400


def test_our_own_pages_are_led_to_with_their_query(app: Flask) -> None:
    app.add_url_rule("/things/<thing>", "things", lambda thing: thing)
    with app.test_request_context("/"):
        assert redirects.safe_target("/things/7?q=a%20b") == "/things/7?q=a%20b"
        assert redirects.safe_target("/things/7") == "/things/7"
        assert redirects.safe_target("/no/such/page") == "/"
        assert redirects.safe_target(None) == "/"


def test_a_page_sends_an_anonymous_browser_to_login_and_back(
    client: FlaskClient, app: Flask
) -> None:
    from webcloud.web import require

    app.add_url_rule("/things", "things", require("login")(lambda: "the things"))
    page = client.get("/things?q=1", headers={"Accept": "text/html"})
    assert page.status_code == 302
    assert page.headers["Location"] == "/login?next=%2Fthings%3Fq%3D1"
    assert client.get("/things", headers={"Accept": "application/json"}).status_code == 401
    fragment = {"Accept": "text/html", "HX-Request": "true"}
    assert client.get("/things", headers=fragment).status_code == 401


FORMS = ["/login", "/login/link", "/logout", "/session/project", "/session/preferences"]


@pytest.mark.parametrize("path", FORMS)
def test_sec_S88_a_form_without_our_token_changes_nothing(
    path: str, client: FlaskClient, member: Person
) -> None:
    log_in(client, "mai")
    other = client.application.test_client()
    for token in (None, "", "junk", form_token(other)):
        data = {} if token is None else {"csrf_token": token}
        assert client.post(path, data=data).status_code == 403
    assert client.get("/login").status_code == 303


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil", "x"])
def test_sec_S88_a_form_from_elsewhere_changes_nothing(
    path: str, origin: str, client: FlaskClient, member: Person
) -> None:
    token = log_in(client, "mai")
    answer = client.post(path, data={"csrf_token": token}, headers={"Origin": origin})
    assert answer.status_code == 403


def test_the_token_may_be_in_a_header_and_the_origin_ours(
    client: FlaskClient, member: Person
) -> None:
    token = log_in(client, "mai")
    for origin in ({}, {"Origin": "http://localhost"}, {"Origin": "http://127.0.0.1:8774"}):
        headers = {"X-CSRFToken": token, **origin}
        answer = client.post("/session/preferences", data={"theme": "dark"}, headers=headers)
        assert answer.status_code == 204
    private = {"X-CSRFToken": token, "Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/session/preferences", headers=private).status_code == 204


def test_a_form_made_before_the_login_is_stale_after_it(
    client: FlaskClient, member: Person
) -> None:
    old = form_token(client)
    data = {"csrf_token": old, "name": "mai", "password": PASSWORD}
    assert client.post("/login", data=data).status_code == 303
    assert client.post("/logout", data={"csrf_token": old}).status_code == 403
    assert client.get_cookie(sessions.COOKIE) is not None


def test_the_signing_key_is_made_once_and_only_ours_to_read(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    key = secret_key.load(directory)
    assert len(key) >= 64
    assert secret_key.load(directory) == key
    assert stat.S_IMODE((directory / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in directory.iterdir()] == ["secret_key"]
    assert secret_key.load(tmp_path) != key


def test_of_two_processes_making_the_key_the_first_wins(tmp_path: Path) -> None:
    key = secret_key.load(tmp_path)
    secret_key._make(tmp_path / "secret_key")
    assert secret_key.load(tmp_path) == key
    assert len(list(tmp_path.iterdir())) == 1
