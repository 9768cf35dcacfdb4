"""API tokens: getting, renewing, revoking, and what stops them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.identity.requests import password_login, project_scope, token_login
from tests.support.people import PASSWORD, Person
from webcloud.db import Database, now
from webcloud.identity import expiry, queries, service, tokens
from webcloud.identity.callers import SYSTEM
from webcloud.identity.models import Token
from webcloud.identity.secret_hash import hash_secret


def works(client: FlaskClient, token: str) -> bool:
    answer = client.get("/identity/v3/auth/projects", headers={"X-Auth-Token": token})
    return answer.status_code == 200


def test_a_password_gets_a_token_with_roles_and_catalog(
    client: FlaskClient, member: Person
) -> None:
    answer = password_login(client, "mai", scope=project_scope("blue"))
    assert answer.status_code == 201
    body = answer.json["token"]
    assert body["project"] == {
        "id": member.project_id,
        "name": "blue",
        "domain": {"id": "default", "name": "Default"},
    }
    assert {role["name"] for role in body["roles"]} == {"member", "reader"}
    kinds = {service["type"] for service in body["catalog"]}
    assert kinds == {"identity", "compute", "image", "network"}
    compute = next(one for one in body["catalog"] if one["type"] == "compute")
    assert {one["interface"] for one in compute["endpoints"]} == {"public", "internal", "admin"}
    assert {one["url"] for one in compute["endpoints"]} == {"http://127.0.0.1:8774/compute/v2.1"}
    assert works(client, answer.headers["X-Subject-Token"])


def test_the_token_itself_is_in_no_row(
    client: FlaskClient, member: Person, database: Database
) -> None:
    secret = password_login(client, "mai").headers["X-Subject-Token"]
    with database.reading() as session:
        rows = session.scalars(select(Token.token_hash)).all()
    assert hash_secret(secret) in rows
    assert secret not in rows


def test_without_a_scope_the_preferred_project_is_taken(
    client: FlaskClient, member: Person
) -> None:
    assert password_login(client, "mai").json["token"]["project"]["id"] == member.project_id


def test_an_unscoped_token_logs_in_but_sees_no_project(client: FlaskClient, member: Person) -> None:
    answer = password_login(client, "mai", scope="unscoped")
    assert "project" not in answer.json["token"]
    assert "catalog" not in answer.json["token"]
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    mine = client.get("/identity/v3/auth/projects", headers=headers).json["projects"]
    assert [project["name"] for project in mine] == ["blue"]
    refused = client.post("/identity/v3/projects", headers=headers, json={})
    assert refused.status_code == 403
    assert "not for any project" in refused.json["error"]["message"]


def test_sec_S59_no_scope_reaches_a_project_without_a_role_in_it(
    client: FlaskClient, member: Person, stranger: Person
) -> None:
    wrong = [
        project_scope("red"),
        project_scope("no such project"),
        {"project": {"id": stranger.project_id}},
        {"project": {"name": "blue", "domain": {"name": "Elsewhere"}}},
    ]
    answers = [password_login(client, "mai", scope=scope) for scope in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json["error"]["message"] for answer in answers}) == 1


def test_sec_S75_a_renewed_token_ends_with_the_first(client: FlaskClient, member: Person) -> None:
    first = password_login(client, "mai")
    end = first.json["token"]["expires_at"]
    secret = first.headers["X-Subject-Token"]
    for _ in range(3):
        renewed = token_login(client, secret, scope=project_scope("blue"))
        assert renewed.status_code == 201
        assert renewed.json["token"]["expires_at"] == end
        assert renewed.json["token"]["methods"] == ["token", "password"]
        secret = renewed.headers["X-Subject-Token"]


def test_sec_S75_a_token_ends_at_its_time_and_is_swept(
    client: FlaskClient, member: Person, database: Database
) -> None:
    with database.transaction() as session:
        found = session.get(Token, hash_secret(member.token))
        assert found is not None
        found.expires_at = now() - timedelta(seconds=1)
    assert not works(client, member.token)
    assert token_login(client, member.token).status_code == 401
    expiry.sweep(database)
    with database.reading() as session:
        assert session.get(Token, hash_secret(member.token)) is None


def test_a_live_token_is_not_swept(client: FlaskClient, member: Person, database: Database) -> None:
    assert expiry.clear(database, now()) == 0
    assert works(client, member.token)
    assert expiry.clear(database, now() + timedelta(days=1)) == 1
    assert not works(client, member.token)


def test_sec_S75_a_revoked_token_is_no_token(client: FlaskClient, member: Person) -> None:
    headers = {**member.headers, "X-Subject-Token": member.token}
    assert client.get("/identity/v3/auth/tokens", headers=headers).status_code == 200
    assert client.head("/identity/v3/auth/tokens", headers=headers).status_code == 200
    assert client.delete("/identity/v3/auth/tokens", headers=headers).status_code == 204
    assert not works(client, member.token)
    assert token_login(client, member.token).status_code == 401


def test_somebody_elses_token_can_be_neither_seen_nor_ended(
    client: FlaskClient, member: Person, stranger: Person, admin: Person
) -> None:
    path = "/identity/v3/auth/tokens"
    headers = {**stranger.headers, "X-Subject-Token": member.token}
    assert client.get(path, headers=headers).status_code == 404
    assert client.delete(path, headers=headers).status_code == 404
    assert client.get(path, headers=stranger.headers).status_code == 400
    assert works(client, member.token)
    operator = {**admin.headers, "X-Subject-Token": member.token}
    assert client.get(path, headers=operator).json["token"]["user"]["name"] == "mai"


Deed = Callable[[Any, Any, Any], None]

REVOCATIONS: dict[str, Deed] = {
    "user disabled": lambda s, user, _: service.set_user_enabled(s, SYSTEM, user, False),
    "user deleted": lambda s, user, _: service.delete_user(s, SYSTEM, user),
    "project disabled": lambda s, _, project: service.set_project_enabled(
        s, SYSTEM, project, False
    ),
    "project deleted": lambda s, _, project: service.delete_project(s, SYSTEM, project),
    "role withdrawn": lambda s, user, project: service.withdraw(s, SYSTEM, user, project, "member"),
    "password changed": lambda s, user, _: service.set_password_hash(s, SYSTEM, user, "x"),
}


@pytest.mark.parametrize("deed", REVOCATIONS)
def test_sec_S74_whatever_ends_access_ends_tokens_at_once(
    deed: str, client: FlaskClient, member: Person, database: Database
) -> None:
    assert works(client, member.token)
    with database.transaction() as session:
        user = queries.user(session, member.user_id)
        REVOCATIONS[deed](session, user, queries.project(session, member.project_id))
    assert not works(client, member.token)
    assert token_login(client, member.token).status_code == 401


def test_a_user_disabled_for_a_while_gets_no_old_token_back(
    client: FlaskClient, member: Person, database: Database
) -> None:
    with database.transaction() as session:
        user = queries.user(session, member.user_id)
        service.set_user_enabled(session, SYSTEM, user, False)
        service.set_user_enabled(session, SYSTEM, user, True)
    assert not works(client, member.token)
    assert password_login(client, "mai", PASSWORD).status_code == 201


def test_a_token_never_outlives_what_it_was_made_from(member: Person, database: Database) -> None:
    soon = now() + timedelta(minutes=1)
    with database.transaction() as session:
        secret = tokens.issue(
            session, user_id=member.user_id, project_id=None, methods=[], hours=9, not_after=soon
        )
    with database.reading() as session:
        valid = tokens.find(session, secret)
    assert valid is not None
    expires: datetime = valid.token.expires_at
    assert expires == soon


@pytest.mark.parametrize("secret", ["", "x", "x" * 300, "\udcff", "null", "0" * 64])
def test_nonsense_is_no_token(secret: str, app: Any, database: Database) -> None:
    with database.reading() as session:
        assert tokens.find(session, secret) is None
