"""The identity API's reads and an operator's changes, as stock clients send them."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.identity.requests import PATH, password_login
from tests.support.people import PASSWORD, Person
from webcloud.identity.queries import ROLE_IDS

V3 = "/identity/v3"


def get(client: FlaskClient, person: Person, path: str) -> Any:
    answer = client.get(f"{V3}{path}", headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json


def status(client: FlaskClient, person: Person, path: str) -> int:
    return client.get(f"{V3}{path}", headers=person.headers).status_code


def test_the_versions_are_public_with_or_without_a_slash(client: FlaskClient) -> None:
    for path in ("/identity", "/identity/"):
        answer = client.get(path)
        assert answer.status_code == 300
        assert answer.json["versions"]["values"][0]["id"] == "v3.14"
    for path in (V3, f"{V3}/"):
        version = client.get(path).json["version"]
        assert version["links"][0]["href"] == "http://127.0.0.1:8774/identity/v3/"


def test_operators_see_all_and_others_their_own(
    client: FlaskClient, admin: Person, member: Person, stranger: Person
) -> None:
    def names(person: Person, path: str, key: str) -> list[str]:
        return [row["name"] for row in get(client, person, path)[key]]

    assert names(admin, "/projects", "projects") == ["admin", "blue", "red"]
    assert names(admin, "/projects?name=red", "projects") == ["red"]
    assert names(admin, "/projects?domain_id=other", "projects") == []
    assert names(member, "/projects", "projects") == ["blue"]
    assert names(member, "/projects?name=red", "projects") == []
    assert names(admin, "/users", "users") == ["admin", "mai", "stan"]
    assert names(member, "/users", "users") == ["mai"]
    assert names(member, "/users?name=stan", "users") == []
    assert names(member, f"/users/{member.user_id}/projects", "projects") == ["blue"]
    assignments = get(client, member, "/role_assignments")["role_assignments"]
    assert [one["user"]["id"] for one in assignments] == [member.user_id]


def test_sec_S59_what_is_not_ones_own_looks_like_what_is_not_there(
    client: FlaskClient, member: Person, stranger: Person
) -> None:
    paths = [
        ("/projects/{}", stranger.project_id),
        ("/users/{}", stranger.user_id),
        ("/users/{}/projects", stranger.user_id),
        ("/projects/{}/users/" + member.user_id + "/roles", stranger.project_id),
        ("/projects/" + member.project_id + "/users/{}/roles", stranger.user_id),
    ]
    for path, theirs in paths:
        real = client.get(V3 + path.format(theirs), headers=member.headers)
        none = client.get(V3 + path.format("no-such"), headers=member.headers)
        assert (real.status_code, none.status_code) == (404, 404)
        message = real.json["error"]["message"].replace(theirs, "no-such")
        assert message == none.json["error"]["message"]


def test_one_of_each_can_be_shown(client: FlaskClient, admin: Person, member: Person) -> None:
    assert get(client, member, f"/projects/{member.project_id}")["project"]["name"] == "blue"
    assert get(client, member, f"/users/{member.user_id}")["user"]["name"] == "mai"
    assert get(client, admin, f"/users/{member.user_id}")["user"]["enabled"] is True
    assert get(client, member, f"/roles/{ROLE_IDS['reader']}")["role"]["name"] == "reader"
    assert get(client, member, "/domains/default")["domain"]["name"] == "Default"
    services = get(client, member, "/services?type=compute")["services"]
    assert get(client, member, f"/services/{services[0]['id']}")["service"]["name"] == "nova"
    for path in ("/roles/x", "/domains/x", "/services/x"):
        assert status(client, member, path) == 404


def test_the_lists_that_clients_print(client: FlaskClient, member: Person) -> None:
    assert len(get(client, member, "/roles")["roles"]) == 3
    assert len(get(client, member, "/roles?name=admin")["roles"]) == 1
    assert len(get(client, member, "/endpoints")["endpoints"]) == 12
    assert get(client, member, "/regions")["regions"][0]["id"] == "RegionOne"
    assert len(get(client, member, "/services?name=none")["services"]) == 0
    assert len(get(client, member, "/auth/catalog")["catalog"]) == 4
    assert get(client, member, "/auth/domains")["domains"][0]["id"] == "default"
    assert get(client, member, "/domains?name=x")["domains"] == []
    assert get(client, member, "/domains")["links"]["next"] is None


def test_role_assignments_are_filtered_and_named(
    client: FlaskClient, admin: Person, member: Person, reader: Person
) -> None:
    path = "/role_assignments?include_names=True"
    found = get(client, admin, f"{path}&user.id={member.user_id}")["role_assignments"]
    assert [(one["user"]["name"], one["role"]["name"]) for one in found] == [("mai", "member")]
    assert found[0]["scope"]["project"]["domain"] == {"id": "default", "name": "Default"}
    in_blue = get(client, admin, f"{path}&scope.project.id={member.project_id}")
    assert len(in_blue["role_assignments"]) == 2
    readers = get(client, admin, f"{path}&role.id={ROLE_IDS['reader']}")["role_assignments"]
    assert [one["user"]["name"] for one in readers] == ["ryan"]


def test_an_operator_makes_a_project_and_a_user_who_logs_in(
    client: FlaskClient, admin: Person
) -> None:
    def post(path: str, body: Any) -> Any:
        answer = client.post(f"{V3}{path}", json=body, headers=admin.headers)
        assert answer.status_code == 201, answer.text
        return answer.json

    project = post("/projects", {"project": {"name": "sea", "domain_id": "default", "tags": []}})
    home = project["project"]["id"]
    fields = {"name": "lan", "password": "long enough", "default_project_id": home}
    user = post("/users", {"user": fields})["user"]
    assert "password" not in user
    role = f"{V3}/projects/{home}/users/{user['id']}/roles/{ROLE_IDS['member']}"
    assert client.head(role, headers=admin.headers).status_code == 404
    assert client.put(role, headers=admin.headers).status_code == 204
    assert client.head(role, headers=admin.headers).status_code == 204
    roles = get(client, admin, role.removeprefix(V3).rpartition("/")[0])["roles"]
    assert [one["name"] for one in roles] == ["member"]
    assert password_login(client, "lan", "long enough").json["token"]["project"]["name"] == "sea"
    assert client.delete(role, headers=admin.headers).status_code == 204
    for path in (f"/users/{user['id']}", f"/projects/{home}"):
        assert client.delete(V3 + path, headers=admin.headers).status_code == 204
        assert status(client, admin, path) == 404


def test_an_operator_changes_users_and_projects(
    client: FlaskClient, admin: Person, member: Person
) -> None:
    def patch(path: str, body: Any) -> Any:
        answer = client.patch(f"{V3}{path}", json=body, headers=admin.headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    path = f"/users/{member.user_id}"
    change = {"name": "may", "email": "may@example.org", "password": "another one"}
    assert patch(path, {"user": change})["user"]["email"] == "may@example.org"
    assert password_login(client, "may", "another one").status_code == 201
    project = {"default_project_id": admin.project_id}
    assert patch(path, {"user": project})["user"]["default_project_id"] == admin.project_id
    assert patch(path, {"user": {"enabled": False}})["user"]["enabled"] is False
    assert password_login(client, "may", "another one").status_code == 401
    path = f"/projects/{member.project_id}"
    change = {"name": "navy", "description": "ships"}
    assert patch(path, {"project": change})["project"]["description"] == "ships"
    assert patch(path, {"project": {"enabled": False}})["project"]["enabled"] is False
    assert patch(path, {"project": {"enabled": True}})["project"]["enabled"] is True


def test_something_can_be_made_disabled(client: FlaskClient, admin: Person) -> None:
    for kind in ("project", "user"):
        body = {kind: {"name": "later", "enabled": False}}
        answer = client.post(f"{V3}/{kind}s", json=body, headers=admin.headers)
        assert answer.json[kind]["enabled"] is False


WRONG: list[tuple[str, Any, str]] = [
    ("/projects", {}, "project"),
    ("/projects", [], "valid"),
    ("/projects", {"project": {"name": "x", "owner": "me"}}, "project.owner"),
    ("/projects", {"project": {"name": 7}}, "project.name"),
    ("/projects", {"project": {"name": "x" * 65}}, "project.name"),
    ("/projects", {"project": {"name": "a\u202eb"}}, "project.name"),
    ("/projects", {"project": {"name": "x", "domain_id": "other"}}, "project.domain_id"),
    ("/projects", {"project": {"name": "x", "tags": ["t"]}}, "project.tags"),
    ("/users", {"user": {"name": "x", "password": "short"}}, "user.password"),
    ("/users", {"user": {"name": "x", "roles": ["admin"]}}, "user.roles"),
    ("/users", {"user": {"name": "\x00"}}, "user.name"),
]


@pytest.mark.parametrize(("path", "body", "named"), WRONG)
def test_wrong_input_is_refused_naming_the_field_and_nothing_is_made(
    path: str, body: Any, named: str, client: FlaskClient, admin: Person
) -> None:
    answer = client.post(V3 + path, json=body, headers=admin.headers)
    assert answer.status_code == 400
    assert named in answer.json["error"]["message"]
    assert answer.json["error"]["title"] == "Bad Request"
    key = path.removeprefix("/")
    assert len(get(client, admin, path)[key]) == 1


def test_a_user_in_a_project_that_is_not_there_is_refused(
    client: FlaskClient, admin: Person
) -> None:
    body = {"user": {"name": "x", "default_project_id": "no-such"}}
    assert client.post(f"{V3}/users", json=body, headers=admin.headers).status_code == 404
    change = client.patch(f"{V3}/users/{admin.user_id}", json=body, headers=admin.headers)
    assert change.status_code == 404


def test_ones_own_password_needs_the_old_one(
    client: FlaskClient, member: Person, stranger: Person
) -> None:
    def change(person: Person, user_id: str, old: str, new: str) -> int:
        body = {"user": {"original_password": old, "password": new}}
        path = f"{V3}/users/{user_id}/password"
        return client.post(path, json=body, headers=person.headers).status_code

    assert change(stranger, member.user_id, PASSWORD, "another one") == 401
    assert change(member, member.user_id, "wrong", "another one") == 401
    assert change(member, member.user_id, PASSWORD, "short") == 400
    assert change(member, member.user_id, PASSWORD, "another one") == 204
    assert status(client, member, "/auth/projects") == 401
    assert password_login(client, "mai", "another one").status_code == 201


LOGINS: list[Any] = [
    {},
    {"auth": {}},
    {"auth": {"identity": {"methods": []}}},
    {"auth": {"identity": {"methods": ["password"]}}},
    {"auth": {"identity": {"methods": ["token", "password"]}}},
    {"auth": {"identity": {"methods": ["totp"], "totp": {}}}},
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}}},
    {"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"system": {}}}},
    {"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "user_id": "admin"}},
]


@pytest.mark.parametrize("body", LOGINS)
def test_a_malformed_login_is_refused_in_keystones_shape(body: Any, client: FlaskClient) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 400
    assert set(answer.json["error"]) == {"code", "title", "message"}


def test_a_login_by_ids_and_without_the_catalog(client: FlaskClient, member: Person) -> None:
    user = {"id": member.user_id, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"id": member.project_id}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer = client.post(f"{PATH}?nocatalog", json=body)
    assert answer.status_code == 201
    assert "catalog" not in answer.json["token"]


def test_a_user_of_another_domain_is_nobody(client: FlaskClient, member: Person) -> None:
    user = {"name": "mai", "domain": {"id": "other"}, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    assert client.post(PATH, json={"auth": {"identity": identity}}).status_code == 401
