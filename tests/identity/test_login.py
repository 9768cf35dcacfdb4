"""Logging in and out with a browser."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from tests.support.people import PASSWORD, Person, form_token, log_in, make_person
from webcloud import create_app
from webcloud.audit.models import AuditEntry
from webcloud.config import Config
from webcloud.db import Base, Database, now
from webcloud.identity import expiry, login_links, queries, service, sessions
from webcloud.identity.callers import SYSTEM
from webcloud.identity.models import BrowserSession, LoginLink, User

HTML = {"Accept": "text/html"}


def cookie(client: FlaskClient) -> str | None:
    found = client.get_cookie(sessions.COOKIE)
    return found.value if found else None


def is_in(client: FlaskClient) -> bool:
    """Whether the login page sends this browser on, as it does when logged in."""
    return client.get("/login").status_code == 303


def counted(database: Database, table: type[Base]) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def new_link(database: Database, name: str) -> str:
    with database.transaction() as session:
        user = queries.user_named(session, name)
        assert user is not None
        link = login_links.create(session, user, "http://cloud")
    assert link.startswith("http://cloud/login#token=")
    return link.partition("#token=")[2]


def follow(client: FlaskClient, secret: str) -> int:
    data = {"csrf_token": form_token(client), "token": secret}
    return client.post("/login/link", data=data).status_code


def test_the_page_itself_logs_in(client: FlaskClient, member: Person, database: Database) -> None:
    page = client.get("/login?next=/login", headers=HTML)
    assert page.status_code == 200
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token is not None
    data = {"csrf_token": token[1], "name": "mai", "password": PASSWORD, "next": ""}
    answer = client.post("/login", data=data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert is_in(client)
    with database.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.login")).one()
    assert (entry.actor, entry.detail["method"]) == ("mai", "password")
    assert PASSWORD not in str(entry.detail)


def test_a_wrong_password_shows_the_form_again_with_the_reason(
    client: FlaskClient, member: Person
) -> None:
    data = {"csrf_token": form_token(client), "name": "mai<b>", "password": "wrong"}
    answer = client.post("/login", data=data)
    assert answer.status_code == 401
    assert "The name or the password is wrong" in answer.text
    assert "mai&lt;b&gt;" in answer.text
    assert "wrong</" not in answer.text.replace("is wrong", "")
    assert cookie(client) is None


def test_too_many_wrong_passwords_have_to_wait(client: FlaskClient, member: Person) -> None:
    token = form_token(client)
    data = {"csrf_token": token, "name": "mai", "password": "wrong"}
    answers = [client.post("/login", data=data) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_user_without_a_project_is_told_so(client: FlaskClient, app: Flask) -> None:
    make_person(app, "lone", None, "blue")
    data = {"csrf_token": form_token(client), "name": "lone", "password": PASSWORD}
    answer = client.post("/login", data=data)
    assert answer.status_code == 403
    assert "a role in no project" in answer.text


def test_sec_S85_the_session_is_new_at_login_and_dies_at_logout(
    client: FlaskClient, member: Person, database: Database
) -> None:
    client.set_cookie(sessions.COOKIE, "chosen-by-somebody-else")
    log_in(client, "mai")
    first = cookie(client)
    assert first not in (None, "chosen-by-somebody-else")
    with database.reading() as session:
        assert first not in session.scalars(select(BrowserSession.session_hash)).all()
    log_in_again = client.application.test_client()
    log_in(log_in_again, "mai")
    assert cookie(log_in_again) != first
    answer = client.post("/logout", data={"csrf_token": form_token(client)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert cookie(client) is None
    client.set_cookie(sessions.COOKIE, first or "")
    assert not is_in(client)
    assert is_in(log_in_again)


def test_sec_S85_a_changed_password_ends_every_session(
    client: FlaskClient, member: Person, database: Database
) -> None:
    log_in(client, "mai")
    with database.transaction() as session:
        user = queries.user(session, member.user_id)
        service.set_password_hash(session, SYSTEM, user, "x")
    assert not is_in(client)


def test_sec_S85_switching_the_project_changes_the_id_but_not_the_end(
    client: FlaskClient, app: Flask, member: Person, database: Database
) -> None:
    other = make_person(app, "mai", "reader", "green")
    token = log_in(client, "mai")
    before = cookie(client)
    with database.reading() as session:
        end = session.scalars(select(BrowserSession.expires_at)).one()
    data = {"csrf_token": token, "project_id": other.project_id}
    assert client.post("/session/project", data=data).status_code == 303
    assert cookie(client) != before
    with database.reading() as session:
        row = session.scalars(select(BrowserSession)).one()
    assert (row.project_id, row.expires_at) == (other.project_id, end)


def test_sec_S59_nobody_switches_into_a_project_without_a_role(
    client: FlaskClient, member: Person, stranger: Person
) -> None:
    token = log_in(client, "mai")
    for project_id in (stranger.project_id, "no-such"):
        data = {"csrf_token": token, "project_id": project_id}
        assert client.post("/session/project", data=data).status_code == 404


def test_sec_S74_a_disabled_user_is_out_at_the_next_request(
    client: FlaskClient, member: Person, database: Database
) -> None:
    log_in(client, "mai")
    with database.transaction() as session:
        session.execute(update(User).where(User.name == "mai").values(enabled=False))
    assert not is_in(client)


def test_a_session_ends_at_its_time_and_is_swept(
    client: FlaskClient, member: Person, database: Database
) -> None:
    log_in(client, "mai")
    with database.transaction() as session:
        session.execute(update(BrowserSession).values(expires_at=now() - timedelta(seconds=1)))
    assert not is_in(client)
    assert expiry.clear(database, now()) == 1


@pytest.mark.parametrize("https", [False, True])
def test_sec_S85_the_cookie_is_kept_from_scripts_and_other_sites(
    https: bool, config: Config, cheap_hasher: None
) -> None:
    address = "https://cloud.example" if https else "http://cloud.example"
    app = create_app(dataclasses.replace(config, public_url=address))
    Base.metadata.create_all(app.extensions["webcloud"].database.engine)
    make_person(app, "mai", "member", "blue")
    client = app.test_client()
    headers = {"Origin": address, "Host": "cloud.example"}
    page = client.get("/login", base_url=address)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token is not None
    data = {"csrf_token": token[1], "name": "mai", "password": PASSWORD}
    answer = client.post("/login", data=data, base_url=address, headers=headers)
    assert answer.status_code == 303, answer.text
    set_cookies = answer.headers.getlist("Set-Cookie")
    ours = next(one for one in set_cookies if "webcloud_session=" in one)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in ours.split(";")}
    assert ours.startswith("__Host-") is https
    assert ("Secure" in ours) is https
    assert "Domain" not in ours
    assert ("Strict-Transport-Security" in answer.headers) is https
    app.extensions["webcloud"].database.engine.dispose()


def test_sec_S87_anonymous_visitors_leave_no_rows(app: Flask, database: Database) -> None:
    for number in range(200):
        client = app.test_client()
        client.set_cookie(sessions.COOKIE, f"junk{number}")
        assert client.get("/login").status_code == 200
        assert client.get("/", headers=HTML).status_code in (302, 404)
        assert client.post("/login", data={"name": "x", "password": "y"}).status_code == 403
    assert counted(database, BrowserSession) == 0


def test_a_login_link_works_once(client: FlaskClient, admin: Person, database: Database) -> None:
    secret = new_link(database, "admin")
    assert follow(client, secret) == 303
    assert is_in(client)
    other = client.application.test_client()
    assert follow(other, secret) == 401
    assert not is_in(other)


def test_a_login_link_ends_after_ten_minutes(
    client: FlaskClient, admin: Person, database: Database
) -> None:
    secret = new_link(database, "admin")
    with database.transaction() as session:
        session.execute(update(LoginLink).values(expires_at=now() - timedelta(seconds=1)))
    assert follow(client, secret) == 401
    assert expiry.clear(database, now()) == 1


@pytest.mark.parametrize("secret", ["", "x", "x" * 255])
def test_nonsense_is_no_login_link(
    secret: str, client: FlaskClient, admin: Person, database: Database
) -> None:
    new_link(database, "admin")
    assert follow(client, secret) == 401
    assert counted(database, BrowserSession) == 0


def test_a_login_link_of_a_disabled_user_lets_nobody_in(
    client: FlaskClient, member: Person, database: Database
) -> None:
    secret = new_link(database, "mai")
    with database.transaction() as session:
        service.set_user_enabled(session, SYSTEM, queries.user(session, member.user_id), False)
    assert follow(client, secret) == 401


def test_language_and_theme_are_remembered(
    client: FlaskClient, member: Person, database: Database
) -> None:
    token = log_in(client, "mai")
    data = {"csrf_token": token, "language": "vi", "theme": "dark"}
    assert client.post("/session/preferences", data=data).status_code == 204
    with database.reading() as session:
        user = queries.user(session, member.user_id)
    assert (user.language, user.theme) == ("vi", "dark")
    for wrong in ({"language": "xx"}, {"theme": "pink"}, {"is_admin": "1"}):
        answer = client.post("/session/preferences", data={"csrf_token": token, **wrong})
        assert answer.status_code == 400
    page = client.post("/session/preferences", data={"csrf_token": token}, headers=HTML)
    assert page.status_code == 303
