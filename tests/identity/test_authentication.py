"""Who a request is taken for: cookies for pages, tokens for APIs, nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.identity.requests import password_login
from tests.support.people import Person, form_token, log_in, make_person
from webcloud.identity import authentication, sessions

SHOUTING = {
    "X-Roles": "admin",
    "X-Is-Admin-Project": "True",
    "X-Service-Token": "x",
    "X-Identity-Status": "Confirmed",
    "X-Forwarded-User": "admin",
    "Remote-User": "admin",
    "X-Remote-User": "admin",
    "Authorization": "Basic YWRtaW46YWRtaW4=",
}


def test_sec_S69_identity_headers_are_not_looked_at(
    client: FlaskClient, admin: Person, member: Person
) -> None:
    claims = {
        **SHOUTING,
        "X-User-Id": admin.user_id,
        "X-User": "admin",
        "X-Project-Id": admin.project_id,
        "X-Tenant-Id": admin.project_id,
    }
    assert client.get("/identity/v3/projects", headers=claims).status_code == 401
    answer = client.get("/identity/v3/projects", headers={**claims, **member.headers})
    assert [project["name"] for project in answer.json["projects"]] == ["blue"]
    body = {"project": {"name": "stolen"}}
    refused = client.post("/identity/v3/projects", json=body, headers={**claims, **member.headers})
    assert refused.status_code == 403


def test_sec_S68_nothing_in_a_body_or_query_says_who_the_caller_is(
    client: FlaskClient, admin: Person, member: Person
) -> None:
    poison = {
        "project_id": admin.project_id,
        "user_id": admin.user_id,
        "is_admin": True,
        "roles": ["admin"],
        "domain_id": "default",
    }
    path = "/identity/v3/projects"
    query = "&".join(f"{key}={value}" for key, value in poison.items())
    for body in ({**poison, "project": {"name": "x"}}, {"project": {"name": "x", **poison}}):
        answer = client.post(f"{path}?{query}", json=body, headers=member.headers)
        assert answer.status_code == 403
        admins = client.post(f"{path}?{query}", json=body, headers=admin.headers)
        assert admins.status_code == 400
    assert len(client.get(path, headers=admin.headers).json["projects"]) == 2


def test_sec_S69_twenty_users_at_once_are_never_taken_for_each_other(app: Flask) -> None:
    people = [make_person(app, f"user{number}", "member", f"p{number}") for number in range(20)]

    def ask(number: int) -> bool:
        person = people[number % 20]
        answer = app.test_client().get("/identity/v3/auth/projects", headers=person.headers)
        return [one["id"] for one in answer.json["projects"]] == [person.project_id]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(1000)))


def test_sec_S88_the_apis_do_not_look_at_cookies(client: FlaskClient, admin: Person) -> None:
    log_in(client, "admin")
    for path in ("/identity/v3/projects", "/identity/v3/auth/tokens"):
        assert client.get(path).status_code == 401
    assert client.post("/identity/v3/projects", json={}).status_code == 401


def test_pages_do_not_look_at_tokens(client: FlaskClient, admin: Person) -> None:
    token = form_token(client)
    answer = client.post("/logout", data={"csrf_token": token}, headers=admin.headers)
    assert answer.status_code == 401


def test_a_cookie_is_not_a_token_nor_a_token_a_cookie(client: FlaskClient, admin: Person) -> None:
    log_in(client, "admin")
    cookie = client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    headers = {"X-Auth-Token": cookie.value}
    assert client.get("/identity/v3/projects", headers=headers).status_code == 401
    other = client.application.test_client()
    other.set_cookie(sessions.COOKIE, admin.token)
    assert other.post("/logout", data={"csrf_token": form_token(other)}).status_code == 401


EDGES = ["", " ", "\0", "x\0y", "\t\n", "a" * 4000]


@pytest.mark.parametrize("password", EDGES)
def test_sec_S76_an_impossible_password_is_a_wrong_one(
    password: str, client: FlaskClient, member: Person
) -> None:
    assert password_login(client, "mai", password).status_code == 401
    assert password_login(client, "admin", password).status_code == 401


@pytest.mark.parametrize("password", [None, True, 7, ["x"], {"x": 1}, "a" * 5000])
def test_sec_S76_types_are_not_converted(
    password: object, client: FlaskClient, member: Person
) -> None:
    answer = password_login(client, "mai", password)
    assert answer.status_code == 400
    assert "auth.identity.password.user.password" in answer.json["error"]["message"]


@pytest.mark.parametrize("enabled", ["false", "FALSE", 0, "yes"])
def test_sec_S76_a_word_is_not_a_boolean(
    enabled: object, client: FlaskClient, admin: Person
) -> None:
    body = {"project": {"name": "x", "enabled": enabled}}
    answer = client.post("/identity/v3/projects", json=body, headers=admin.headers)
    assert answer.status_code == 400
    assert "project.enabled" in answer.json["error"]["message"]


def rooms(app: Flask, cookie: str | None, **headers: str) -> list[str] | None:
    sent = dict(headers)
    if cookie is not None:
        sent["Cookie"] = f"{sessions.COOKIE}={cookie}"
    with app.test_request_context("/socket.io/", headers=sent):
        return authentication.live_rooms()


def cookie_of(app: Flask, name: str) -> str:
    browser = app.test_client()
    log_in(browser, name)
    cookie = browser.get_cookie(sessions.COOKIE)
    assert cookie is not None
    return cookie.value


def test_a_live_connection_hears_its_own_project_and_operators_hear_all(
    app: Flask, member: Person, admin: Person
) -> None:
    assert rooms(app, cookie_of(app, "mai")) == [f"project:{member.project_id}"]
    expected = [f"project:{admin.project_id}", "operators"]
    assert rooms(app, cookie_of(app, "admin"), Origin="http://localhost") == expected


def test_sec_S88_a_live_connection_from_elsewhere_is_refused(app: Flask, member: Person) -> None:
    cookie = cookie_of(app, "mai")
    for origin in ("http://evil.example", "null", "http://localhost.evil", "file://", "junk"):
        assert rooms(app, cookie, Origin=origin) is None
    assert rooms(app, None) is None
    assert rooms(app, "junk") is None
    assert rooms(app, member.token) is None


def test_sec_S88_the_live_socket_itself_asks(app: Flask, member: Person) -> None:
    from webcloud.live.socket import socketio

    browser = app.test_client()
    nobody = socketio.test_client(app, namespace="/live", flask_test_client=browser)
    assert not nobody.is_connected("/live")
    log_in(browser, "mai")
    evil = {"Origin": "http://evil.example"}
    framed = socketio.test_client(app, namespace="/live", flask_test_client=browser, headers=evil)
    assert not framed.is_connected("/live")
    ours = socketio.test_client(app, namespace="/live", flask_test_client=browser)
    assert ours.is_connected("/live")
    socketio.emit("changed", {"id": "1"}, to=f"project:{member.project_id}", namespace="/live")
    socketio.emit("changed", {"id": "2"}, to="operators", namespace="/live")
    socketio.emit("changed", {"id": "3"}, to="project:other", namespace="/live")
    assert [one["args"][0]["id"] for one in ours.get_received("/live")] == ["1"]
    ours.disconnect("/live")
