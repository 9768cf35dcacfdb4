"""Application credentials: never stronger than their maker, and gone with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from tests.identity.requests import credential_login, password_login, project_scope, token_login
from tests.support.people import Person
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, now
from webcloud.identity import queries, service
from webcloud.identity.callers import SYSTEM
from webcloud.identity.models import ApplicationCredential


def path(person: Person) -> str:
    return f"/identity/v3/users/{person.user_id}/application_credentials"


def make(client: FlaskClient, person: Person, **fields: Any) -> dict[str, Any]:
    # The empty fields are what the stock client sends.
    empty = {"description": None, "access_rules": [], "secret": None, "expires_at": None}
    body = {**empty, "roles": [], "unrestricted": False, "name": "ac1", **fields}
    answer = client.post(
        path(person), json={"application_credential": body}, headers=person.headers
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json["application_credential"]
    return made


def refuse(client: FlaskClient, person: Person, **fields: Any) -> Any:
    body = {"application_credential": {"name": "ac1", **fields}}
    return client.post(path(person), json=body, headers=person.headers)


def log_in(client: FlaskClient, made: dict[str, Any]) -> Any:
    return credential_login(client, {"id": made["id"], "secret": made["secret"]})


def test_a_credential_logs_in_to_its_project_by_id_or_by_name(
    client: FlaskClient, member: Person, database: Database
) -> None:
    made = make(client, member)
    answer = log_in(client, made)
    assert answer.status_code == 201
    body = answer.json["token"]
    assert body["project"]["id"] == member.project_id
    assert {role["name"] for role in body["roles"]} == {"member", "reader"}
    assert body["application_credential"] == {"id": made["id"], "name": "ac1", "restricted": True}
    for user in ({"id": member.user_id}, {"name": "mai", "domain": {"id": "default"}}):
        reference = {"name": "ac1", "user": user, "secret": made["secret"]}
        assert credential_login(client, reference).status_code == 201
    with database.reading() as session:
        found = session.scalars(select(ApplicationCredential)).one()
        entries = session.scalars(select(AuditEntry.action)).all()
    assert made["secret"] not in (found.secret_hash, found.name)
    assert "application_credential.create" in entries


def test_the_secret_is_shown_once(client: FlaskClient, member: Person) -> None:
    made = make(client, member)
    listed = client.get(path(member), headers=member.headers).json["application_credentials"]
    shown = client.get(f"{path(member)}/{made['id']}", headers=member.headers).json
    assert [one["name"] for one in listed] == ["ac1"]
    assert made["secret"] not in str(listed) + str(shown)
    filtered = client.get(f"{path(member)}?name=other", headers=member.headers)
    assert filtered.json["application_credentials"] == []


def test_a_wrong_secret_or_reference_is_refused(client: FlaskClient, member: Person) -> None:
    made = make(client, member)
    wrong = [
        {"id": made["id"], "secret": "x"},
        {"id": made["id"], "secret": ""},
        {"id": "no-such", "secret": made["secret"]},
        {"name": "ac1", "secret": made["secret"]},
        {"name": "ac1", "user": {"name": "nobody"}, "secret": made["secret"]},
        {"name": "ac1", "user": {"domain": {"id": "default"}}, "secret": made["secret"]},
        {
            "name": "ac1",
            "user": {"name": "mai", "domain": {"id": "other"}},
            "secret": made["secret"],
        },
    ]
    assert {credential_login(client, one).status_code for one in wrong} == {401}
    scoped = credential_login(
        client, {"id": made["id"], "secret": made["secret"]}, project_scope("blue")
    )
    assert scoped.status_code == 400


def test_guessing_a_secret_is_limited(client: FlaskClient, member: Person) -> None:
    made = make(client, member)
    guess = {"id": made["id"], "secret": "x"}
    answers = [credential_login(client, guess).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


def test_a_credential_can_have_fewer_roles_but_not_more(
    client: FlaskClient, member: Person
) -> None:
    made = make(client, member, roles=[{"name": "reader"}])
    body = log_in(client, made).json["token"]
    assert [role["name"] for role in body["roles"]] == ["reader"]
    more = [[{"name": "admin"}], [{"id": queries.ROLE_IDS["admin"]}], [{"name": "owner"}], [{}]]
    assert {refuse(client, member, roles=roles).status_code for roles in more} == {400}


def test_sec_S74_a_credential_follows_its_makers_role(
    client: FlaskClient, member: Person, admin: Person, database: Database
) -> None:
    made = make(client, member)
    token = log_in(client, made).headers["X-Subject-Token"]
    headers = {"X-Auth-Token": token}
    assert client.get("/identity/v3/projects", headers=headers).status_code == 200
    with database.transaction() as session:
        user = queries.user(session, member.user_id)
        project = queries.project(session, member.project_id)
        service.grant(session, SYSTEM, user, project, "reader")
        service.withdraw(session, SYSTEM, user, project, "member")
    assert [r["name"] for r in log_in(client, made).json["token"]["roles"]] == ["reader"]
    with database.transaction() as session:
        user = queries.user(session, member.user_id)
        project = queries.project(session, member.project_id)
        service.withdraw(session, SYSTEM, user, project, "reader")
    assert client.get("/identity/v3/projects", headers=headers).status_code == 401
    assert log_in(client, made).status_code == 401


def test_sec_S74_a_deleted_credential_stops_its_tokens(client: FlaskClient, member: Person) -> None:
    made = make(client, member)
    headers = {"X-Auth-Token": log_in(client, made).headers["X-Subject-Token"]}
    deleted = client.delete(f"{path(member)}/{made['id']}", headers=member.headers)
    assert deleted.status_code == 204
    assert client.get("/identity/v3/projects", headers=headers).status_code == 401
    assert log_in(client, made).status_code == 401


def test_a_credential_ends_at_its_time(
    client: FlaskClient, member: Person, database: Database
) -> None:
    end = (now() + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    made = make(client, member, expires_at=end)
    answer = log_in(client, made)
    assert answer.json["token"]["expires_at"] == f"{end}Z"
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    with database.transaction() as session:
        ended = now() - timedelta(seconds=1)
        session.execute(update(ApplicationCredential).values(expires_at=ended))
    assert log_in(client, made).status_code == 401
    assert client.get("/identity/v3/projects", headers=headers).status_code == 401


def test_sec_S75_a_credentials_token_cannot_become_another(
    client: FlaskClient, member: Person
) -> None:
    token = log_in(client, make(client, member)).headers["X-Subject-Token"]
    for scope in (None, "unscoped", project_scope("blue")):
        assert token_login(client, token, scope=scope).status_code == 401


@pytest.mark.parametrize("unrestricted", [False, True])
def test_sec_S75_a_restricted_credential_handles_no_credentials(
    unrestricted: bool, client: FlaskClient, member: Person
) -> None:
    made = make(client, member, unrestricted=unrestricted)
    headers = {"X-Auth-Token": log_in(client, made).headers["X-Subject-Token"]}
    body = {"application_credential": {"name": "child"}}
    one = f"{path(member)}/{made['id']}"
    answers = [
        client.get(path(member), headers=headers),
        client.get(one, headers=headers),
        client.post(path(member), json=body, headers=headers),
        client.delete(one, headers=headers),
    ]
    allowed = [200, 200, 201, 204] if unrestricted else [403] * 4
    assert [answer.status_code for answer in answers] == allowed


def test_a_credentials_token_sees_its_own_project_only(
    client: FlaskClient, app: Any, member: Person
) -> None:
    from tests.support.people import make_person

    make_person(app, "mai", "member", "green")
    headers = {"X-Auth-Token": log_in(client, make(client, member)).headers["X-Subject-Token"]}
    mine = client.get("/identity/v3/auth/projects", headers=headers).json["projects"]
    assert [project["name"] for project in mine] == ["blue"]


def test_sec_S59_nobody_elses_credentials_can_be_seen_or_made(
    client: FlaskClient, member: Person, stranger: Person, admin: Person
) -> None:
    made = make(client, member)
    for other in (stranger, admin):
        body = {"application_credential": {"name": "x"}}
        one = f"{path(member)}/{made['id']}"
        answers = [
            client.get(path(member), headers=other.headers),
            client.get(one, headers=other.headers),
            client.post(path(member), json=body, headers=other.headers),
            client.delete(one, headers=other.headers),
            client.get(f"{path(other)}/{made['id']}", headers=other.headers),
        ]
        assert {answer.status_code for answer in answers} == {404}


WRONG = [
    {"name": "a\u200bc"},
    {"name": " ac"},
    {"name": "ac\n1"},
    {"name": ""},
    {"name": "x" * 65},
    {"secret": "too short"},
    {"expires_at": "yesterday"},
    {"expires_at": "2001-01-01T00:00:00"},
    {"unrestricted": "true"},
    {"access_rules": [{"path": "/"}]},
    {"project_id": "another"},
    {"is_admin": True},
]


@pytest.mark.parametrize("fields", WRONG)
def test_wrong_input_is_refused_naming_the_field(
    fields: dict[str, Any], client: FlaskClient, member: Person
) -> None:
    answer = refuse(client, member, **fields)
    assert answer.status_code == 400
    assert next(iter(fields)) in answer.json["error"]["message"].lower()
    assert client.get(path(member), headers=member.headers).json["application_credentials"] == []


def test_a_name_is_used_once_per_user(
    client: FlaskClient, member: Person, stranger: Person
) -> None:
    make(client, member)
    assert refuse(client, member).status_code == 409
    make(client, stranger)
    assert password_login(client, "mai").status_code == 201


def test_ones_own_secret_works_when_it_is_long(client: FlaskClient, member: Person) -> None:
    made = make(client, member, secret="s" * 40)
    assert made["secret"] == "s" * 40
    assert log_in(client, made).status_code == 201
