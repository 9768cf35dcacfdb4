"""Requests of ``POST /v3/auth/tokens`` as the stock clients send them."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.people import PASSWORD

PATH = "/identity/v3/auth/tokens"
DEFAULT = {"name": "Default"}


def project_scope(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT}}


def password_login(
    client: FlaskClient, name: str, password: Any = PASSWORD, scope: Any = None
) -> TestResponse:
    user = {"name": name, "domain": DEFAULT, "password": password}
    return _send(client, {"methods": ["password"], "password": {"user": user}}, scope)


def token_login(client: FlaskClient, token: str, scope: Any = None) -> TestResponse:
    return _send(client, {"methods": ["token"], "token": {"id": token}}, scope)


def credential_login(
    client: FlaskClient, reference: dict[str, Any], scope: Any = None
) -> TestResponse:
    identity = {"methods": ["application_credential"], "application_credential": reference}
    return _send(client, identity, scope)


def _send(client: FlaskClient, identity: dict[str, Any], scope: Any) -> TestResponse:
    auth: dict[str, Any] = {"identity": identity}
    if scope is not None:
        auth["scope"] = scope
    return client.post(PATH, json={"auth": auth})
