"""People for tests: users with a role in a project, logged in to the API or in a browser."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from flask import session as form_cookie
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf

from webcloud.identity import passwords, queries, service, tokens
from webcloud.identity.callers import SYSTEM

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    """A user with one role in one project, and a token for it."""

    name: str
    user_id: str
    project_id: str
    project_name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self.token}


def make_person(app: Flask, name: str, role: str | None, project: str) -> Person:
    """A user with this role in the project, which is made when it is not there."""
    hashed = passwords.hash_password(PASSWORD)
    with app.extensions["webcloud"].database.transaction() as session:
        home = queries.project_named(session, project) or service.create_project(
            session, SYSTEM, name=project
        )
        user = queries.user_named(session, name) or service.create_user(
            session, SYSTEM, name=name, password_hash=hashed, default_project_id=home.id
        )
        if role is not None:
            service.grant(session, SYSTEM, user, home, role)
        token = tokens.issue(
            session, user_id=user.id, project_id=home.id, methods=["password"], hours=1
        )
        return Person(name, user.id, home.id, home.name, token)


def form_token(client: FlaskClient) -> str:
    """A CSRF token that fits this browser's form cookie, as any of our pages would hold."""
    with client.application.test_request_context("/"):
        token = str(generate_csrf())
        raw = form_cookie["csrf_token"]
    with client.session_transaction() as cookie:
        cookie["csrf_token"] = raw
    return token


def log_in(client: FlaskClient, name: str, password: str = PASSWORD) -> str:
    """Log a browser in; returns a CSRF token for its next form."""
    answer = client.post(
        "/login", data={"csrf_token": form_token(client), "name": name, "password": password}
    )
    assert answer.status_code == 303, answer.text
    return form_token(client)
