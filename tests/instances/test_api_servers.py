"""Creating, listing, showing, changing and deleting servers through the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import delete, event, func, select, update

from tests.instances.compute import BASE, Compute, fault
from tests.support.furnished import Furnished
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.instances import creation
from webcloud.instances.models import Instance


def names(answer: Any) -> list[str]:
    return [server["name"] for server in answer["servers"]]


def test_an_accepted_server_has_an_address_and_is_being_built(
    compute: Compute, furnished: Furnished
) -> None:
    server_id = compute.create(furnished.image_id, metadata={"a": "b"}, description="first")
    server = compute.get(f"/servers/{server_id}")["server"]
    assert server["status"] == "BUILD"
    assert server["OS-EXT-STS:task_state"] == "spawning"
    assert server["addresses"]["default"][0]["addr"] == "10.77.0.10"
    assert server["metadata"] == {"a": "b"}
    assert server["description"] == "first"
    assert server["tenant_id"] == compute.person.project_id
    assert server["image"]["id"] == furnished.image_id
    assert server["flavor"]["original_name"] == "tiny"


def test_the_answer_to_a_create_points_at_the_server(
    compute: Compute, furnished: Furnished
) -> None:
    body = {"server": {"name": "vm1", "flavorRef": 1, "imageRef": furnished.image_id}}
    answer = compute.post("/servers", body)
    assert answer.status_code == 202
    server_id = answer.json["server"]["id"]  # type: ignore[index]
    assert answer.headers["Location"].endswith(f"{BASE}/servers/{server_id}")
    assert answer.json["server"]["links"][0]["rel"] == "self"  # type: ignore[index]


def test_the_same_idempotency_key_gives_the_same_server(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    body = {"server": {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}}
    first = compute.post("/servers", body, Idempotency_Key="k-1")
    again = compute.post("/servers", body, Idempotency_Key="k-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json["server"]["id"] == again.json["server"]["id"]  # type: ignore[index]
    with database.reading() as session:
        assert session.scalar(select(func.count(Instance.id))) == 1
        assert session.scalar(select(func.count(OperationRow.id))) == 1


def test_a_repeat_that_was_checked_before_the_first_was_accepted_makes_nothing(
    compute: Compute, furnished: Furnished, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"server": {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}}
    first = compute.post("/servers", body, Idempotency_Key="k-1")
    # What the repeat looked at was read before the first one's commit.
    real, too_early = creation.operations.replayed, [None]

    def replayed(*given: Any) -> OperationRow | None:
        return too_early.pop() if too_early else real(*given)

    monkeypatch.setattr(creation.operations, "replayed", replayed)
    monkeypatch.setattr(creation.names, "check_free", lambda *_: None)
    again = compute.post("/servers", body, Idempotency_Key="k-1")
    assert fault(again)[:2] == ("conflictingRequest", 409)
    with database.reading() as session:
        assert session.scalar(select(func.count(Instance.id))) == 1
    once_more = compute.post("/servers", body, Idempotency_Key="k-1")
    assert once_more.json["server"]["id"] == first.json["server"]["id"]  # type: ignore[index]


def test_an_idempotency_key_cannot_be_used_for_something_else(
    compute: Compute, furnished: Furnished
) -> None:
    body = {"server": {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}}
    compute.post("/servers", body, Idempotency_Key="k-1")
    body["server"]["name"] = "vm2"
    answer = compute.post("/servers", body, Idempotency_Key="k-1")
    assert fault(answer)[:2] == ("conflictingRequest", 409)


def test_two_projects_may_use_the_same_idempotency_key(
    compute: Compute, outsider: Compute, furnished: Furnished
) -> None:
    body = {"server": {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}}
    mine = compute.post("/servers", body, Idempotency_Key="k-1")
    theirs = outsider.post("/servers", body, Idempotency_Key="k-1")
    assert mine.json["server"]["id"] != theirs.json["server"]["id"]  # type: ignore[index]


@pytest.mark.parametrize("key", ["", "x" * 101, "caf\u00e9"])
def test_a_bad_idempotency_key_is_refused(key: str, compute: Compute, furnished: Furnished) -> None:
    body = {"server": {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}}
    assert fault(compute.post("/servers", body, Idempotency_Key=key))[0] == "badRequest"


def test_a_count_makes_numbered_servers(compute: Compute, furnished: Furnished) -> None:
    compute.create(furnished.image_id, "web", min_count=2, max_count=2)
    assert sorted(names(compute.get("/servers"))) == ["web-1", "web-2"]


def test_lists_show_only_the_own_project(
    compute: Compute, outsider: Compute, operator: Compute, furnished: Furnished
) -> None:
    compute.create(furnished.image_id, "mine")
    outsider.create(furnished.image_id, "theirs")
    assert names(compute.get("/servers/detail")) == ["mine"]
    assert names(operator.get("/servers/detail")) == []
    assert sorted(names(operator.get("/servers/detail?all_tenants=True"))) == ["mine", "theirs"]
    assert fault(compute.call("GET", "/servers?all_tenants=1"))[0] == "forbidden"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=web", ["web.1", "web-2", "My WEB"]),
        ("name=%5Eweb", ["web.1", "web-2"]),
        ("name=%5Eweb.1%24", ["web.1"]),
        ("name=%5Eweb%5C.1%24", ["web.1"]),
        ("name=.", ["web.1"]),
        ("name=%25", []),
        ("name=web.*", []),
        ("status=BUILD", ["web.1", "web-2", "My WEB"]),
        ("status=active", []),
        ("ip=10.77.0.11", ["web-2"]),
        ("ip=10.77", ["web.1", "web-2", "My WEB"]),
        ("flavor=2", ["web-2"]),
        ("deleted=False", ["web.1", "web-2", "My WEB"]),
    ],
)
def test_filters_are_literal(
    query: str, expected: list[str], compute: Compute, furnished: Furnished
) -> None:
    compute.create(furnished.image_id, "web.1")
    compute.create(furnished.image_id, "web-2", flavorRef="2")
    compute.create(furnished.image_id, "My WEB")
    assert sorted(names(compute.get(f"/servers/detail?{query}"))) == sorted(expected)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("colour=red", "badRequest"),
        ("limit=-1", "badRequest"),
        ("limit=ten", "badRequest"),
        ("marker=nope", "badRequest"),
        ("sort_key=public_key", "badRequest"),
        ("sort_key=name&sort_dir=up", "badRequest"),
        ("changes-since=yesterday", "badRequest"),
        ("deleted=maybe", "badRequest"),
        ("deleted=True", "forbidden"),
        ("host=n1", "forbidden"),
        ("user_id=x", "forbidden"),
    ],
)
def test_a_query_that_cannot_be_honoured_is_refused(
    query: str, kind: str, compute: Compute
) -> None:
    assert fault(compute.call("GET", f"/servers?{query}"))[0] == kind


def test_pages_follow_each_other_by_their_links(compute: Compute, furnished: Furnished) -> None:
    for number in range(5):
        compute.create(furnished.image_id, f"vm{number}")
    seen: list[str] = []
    path = "/servers?limit=2&sort_key=name&sort_dir=asc"
    while path:
        page = compute.get(path)
        seen += names(page)
        links = page.get("servers_links", [])
        path = ""
        if links:
            parts = urlsplit(links[0]["href"])
            assert dict(parse_qsl(parts.query))["limit"] == "2"
            path = f"/servers?{parts.query}"
    assert seen == [f"vm{number}" for number in range(5)]


def test_newest_first_unless_asked_otherwise(compute: Compute, furnished: Furnished) -> None:
    for name in ("a", "c", "b"):
        compute.create(furnished.image_id, name)
    assert names(compute.get("/servers")) == ["b", "c", "a"]
    assert names(compute.get("/servers?sort_key=display_name&sort_dir=desc")) == ["c", "b", "a"]


def test_changes_since_includes_the_deleted(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    server_id = compute.create(furnished.image_id, "gone")
    with database.transaction() as session:
        session.execute(delete(OperationRow))
        session.execute(update(Instance).values(deleted_at=now(), built=True))
    since = (now() - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = compute.get(f"/servers/detail?changes-since={since}")["servers"]
    assert [(each["id"], each["status"]) for each in found] == [(server_id, "DELETED")]
    assert compute.get("/servers")["servers"] == []
    assert compute.call("GET", f"/servers/{server_id}").status_code == 404


def test_a_server_can_be_renamed_and_described(compute: Compute, furnished: Furnished) -> None:
    server_id = compute.create(furnished.image_id, description="old")
    answer = compute.call("PUT", f"/servers/{server_id}", {"server": {"name": "db1"}})
    assert (answer.json["server"]["name"], answer.json["server"]["description"]) == ("db1", "old")  # type: ignore[index]
    answer = compute.call("PUT", f"/servers/{server_id}", {"server": {"description": None}})
    assert answer.json["server"]["description"] is None  # type: ignore[index]


def test_deleting_is_accepted_at_any_time_and_repeatable(
    compute: Compute, furnished: Furnished
) -> None:
    server_id = compute.create(furnished.image_id)
    for _ in range(2):
        answer = compute.call("DELETE", f"/servers/{server_id}")
        assert (answer.status_code, answer.data) == (204, b"")
    server = compute.get(f"/servers/{server_id}")["server"]
    assert server["OS-EXT-STS:task_state"] == "deleting"


def test_metadata_is_added_replaced_and_removed(compute: Compute, furnished: Furnished) -> None:
    path = f"/servers/{compute.create(furnished.image_id, metadata={'a': '1'})}/metadata"
    compute.post(path, {"metadata": {"b": "2"}})
    assert compute.get(path) == {"metadata": {"a": "1", "b": "2"}}
    compute.call("PUT", f"{path}/a", {"meta": {"a": "3"}})
    assert compute.get(f"{path}/a") == {"meta": {"a": "3"}}
    assert compute.call("DELETE", f"{path}/a").status_code == 204
    assert fault(compute.call("GET", f"{path}/a"))[0] == "itemNotFound"
    compute.call("PUT", path, {"metadata": {}})
    assert compute.get(path) == {"metadata": {}}
    assert fault(compute.call("PUT", f"{path}/a", {"meta": {"b": "3"}}))[0] == "badRequest"


def test_a_reader_may_look_but_not_touch(
    compute: Compute, reader: Any, furnished: Furnished
) -> None:
    server_id = compute.create(furnished.image_id)
    looking = Compute(compute.client, reader)
    assert looking.get(f"/servers/{server_id}")["server"]["id"] == server_id
    for method, path, body in (
        ("POST", "/servers", {"server": {}}),
        ("DELETE", f"/servers/{server_id}", None),
        ("POST", f"/servers/{server_id}/action", {"os-stop": None}),
    ):
        assert fault(looking.call(method, path, body))[0] == "forbidden"


def test_nobody_without_a_token_gets_in(compute: Compute) -> None:
    for headers in ({}, {"X-Auth-Token": "x" * 43}):
        answer = compute.client.get(f"{BASE}/servers", headers=headers)
        assert fault(answer)[:2] == ("unauthorized", 401)


def test_operators_see_where_a_server_is_and_members_do_not(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    server_id = compute.create(furnished.image_id)
    with database.transaction() as session:
        session.execute(update(Instance).values(host_id=furnished.host_id))
    shown = operator.get(f"/servers/{server_id}")["server"]
    assert shown["OS-EXT-SRV-ATTR:host"] == "n1"
    assert shown["host_status"] == "UP"
    hidden = compute.get(f"/servers/{server_id}")["server"]
    assert "OS-EXT-SRV-ATTR:host" not in hidden
    assert "n1" not in str(hidden.values())
    assert names(operator.get("/servers?host=n1&all_tenants=1")) == ["vm1"]
    assert names(operator.get("/servers?host=n2&all_tenants=1")) == []


def test_a_list_costs_the_same_queries_however_long_it_is(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    def cost(person: Compute) -> int:
        statements: list[str] = []

        def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        event.listen(database.engine, "before_cursor_execute", count)
        try:
            person.get("/servers/detail?all_tenants=1" if person is operator else "/servers/detail")
        finally:
            event.remove(database.engine, "before_cursor_execute", count)
        return len(statements)

    compute.create(furnished.image_id, "first")
    before = cost(compute), cost(operator)
    compute.create(furnished.image_id, "more", min_count=5, max_count=5)
    assert (cost(compute), cost(operator)) == before
