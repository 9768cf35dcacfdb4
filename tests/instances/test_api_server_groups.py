"""Server groups over the compute API, in the shapes of their microversions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from webcloud.admin.verify import records
from webcloud.db import Database
from webcloud.identity import quotas


def make(compute: Compute, **fields: Any) -> Any:
    return compute.post("/os-server-groups", {"server_group": {"name": "g", **fields}})


def made(compute: Compute, policy: str = "anti-affinity", **fields: Any) -> str:
    answer = make(compute, policy=policy, **fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json["server_group"]["id"])


def hinted(compute: Compute, image_id: str, **hints: Any) -> Any:
    server = {"name": "vm1", "flavorRef": "1", "imageRef": image_id}
    return compute.post("/servers", {"server": server, "os:scheduler_hints": hints})


def test_each_version_has_its_own_shape(compute: Compute) -> None:
    assert make(compute, policy="anti-affinity", rules={"max_server_per_host": "2"}).json == {
        "server_group": {
            "id": compute.get("/os-server-groups")["server_groups"][0]["id"],
            "name": "g",
            "policy": "anti-affinity",
            "rules": {"max_server_per_host": 2},
            "members": [],
            "project_id": compute.person.project_id,
            "user_id": compute.person.user_id,
        }
    }
    old = make(compute.at("2.13"), policies=["affinity"]).json["server_group"]
    assert (old["policies"], old["metadata"]) == (["affinity"], {})
    assert old["project_id"] == compute.person.project_id
    assert "project_id" not in compute.at("2.12").get("/os-server-groups")["server_groups"][0]
    soft = make(compute.at("2.15"), policies=["soft-affinity"])
    assert soft.status_code == 200


@pytest.mark.parametrize(
    ("version", "fields", "words"),
    [
        ("2.96", {}, "'server_group.policy' is missing"),
        ("2.63", {}, "'server_group.policies' is missing"),
        ("2.96", {"policies": ["affinity"]}, "does not exist since microversion 2.64"),
        ("2.63", {"policy": "affinity"}, "needs microversion 2.64"),
        ("2.63", {"policies": ["affinity"], "rules": {}}, "needs microversion 2.64"),
        ("2.14", {"policies": ["soft-affinity"]}, "needs microversion 2.15"),
        ("2.63", {"policies": ["affinity", "anti-affinity"]}, "at most 1 item"),
        ("2.96", {"policy": "near"}, "server_group.policy"),
        ("2.96", {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, "greater"),
        ("2.96", {"policy": "affinity", "rules": {"max_server_per_host": 2}}, "Only the policy"),
        ("2.96", {"policy": "affinity", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_group_is_refused(
    version: str, fields: dict[str, Any], words: str, compute: Compute
) -> None:
    kind, _, message = fault(make(compute.at(version), **fields))
    assert kind == "badRequest"
    assert words in message
    assert compute.get("/os-server-groups")["server_groups"] == []


def test_an_instance_joins_a_group_and_shows_it(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    group_id = made(compute)
    answer = hinted(compute, furnished.image_id, group=group_id)
    assert answer.status_code == 202, answer.text
    server_id = answer.json["server"]["id"]
    assert compute.get(f"/servers/{server_id}")["server"]["server_groups"] == [group_id]
    assert compute.get(f"/os-server-groups/{group_id}")["server_group"]["members"] == [server_id]
    assert compute.call("DELETE", f"/os-server-groups/{group_id}").status_code == 204
    assert compute.get(f"/servers/{server_id}")["server"]["server_groups"] == []
    with database.reading() as session:
        assert records.check(session) == []
        assert quotas.usage(session, compute.person.project_id)["server_groups"].used == 0


def test_groups_are_listed_by_page_and_for_operators_everywhere(
    compute: Compute, operator: Compute
) -> None:
    ids = sorted(made(compute, name=name) for name in ("a", "b", "c"))
    names = [
        each["name"] for each in compute.get("/os-server-groups?offset=1&limit=1")["server_groups"]
    ]
    assert names == ["b"]
    assert operator.get("/os-server-groups")["server_groups"] == []
    found = operator.get("/os-server-groups?all_projects=True")["server_groups"]
    assert sorted(each["id"] for each in found) == ids
    assert operator.get(f"/os-server-groups/{ids[0]}")["server_group"]["id"] == ids[0]
    assert fault(compute.call("GET", "/os-server-groups?all_projects=True"))[0] == "forbidden"
    assert fault(compute.call("GET", "/os-server-groups?offset=x"))[0] == "badRequest"


def test_another_projects_group_is_as_good_as_none(
    compute: Compute, outsider: Compute, furnished: Furnished
) -> None:
    group_id = made(compute)
    path = f"/os-server-groups/{group_id}"
    assert fault(outsider.call("GET", path))[0] == "itemNotFound"
    assert fault(outsider.call("DELETE", path))[0] == "itemNotFound"
    refused = hinted(outsider, furnished.image_id, group=group_id)
    assert fault(refused) == fault(hinted(outsider, furnished.image_id, group=group_id))
    assert refused.json["badRequest"]["field"] == "os:scheduler_hints.group"


def test_groups_and_their_members_have_a_quota(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        quotas.set_limits(
            session, compute.person.project_id, {"server_groups": 1, "server_group_members": 1}
        )
    group_id = made(compute)
    assert fault(make(compute, policy="affinity"))[0] == "forbidden"
    assert hinted(compute, furnished.image_id, group=group_id).status_code == 202
    server = {"name": "vm2", "flavorRef": "1", "imageRef": furnished.image_id}
    second = {"server": server, "OS-SCH-HNT:scheduler_hints": {"group": group_id}}
    assert fault(compute.post("/servers", second))[2].startswith(
        "Server group g would have more than 1 instances."
    )
    absolute = compute.get("/limits")["limits"]["absolute"]
    assert (absolute["maxServerGroups"], absolute["totalServerGroupsUsed"]) == (1, 1)
    with database.transaction() as session:
        quotas.set_limits(session, compute.person.project_id, {"server_group_members": -1})
    assert compute.post("/servers", second).status_code == 202


@pytest.mark.parametrize(
    ("hints", "field"),
    [
        ({"group": "nope"}, "os:scheduler_hints.group"),
        ({"same_host": "nope"}, "os:scheduler_hints.same_host"),
        ({"different_host": ["nope", "none"]}, "os:scheduler_hints.different_host"),
        ({"query": '[">=", "$free_ram_mb", 1024]'}, "os:scheduler_hints.query"),
        ({"same_host": [{}]}, "os:scheduler_hints.same_host.0"),
        ({"same_host": 7}, "os:scheduler_hints.same_host"),
    ],
)
def test_a_wrong_hint_is_refused_by_name(
    hints: dict[str, Any], field: str, compute: Compute, furnished: Furnished
) -> None:
    refused = hinted(compute, furnished.image_id, **hints)
    assert fault(refused)[0] == "badRequest"
    assert refused.json["badRequest"]["field"] == field


def test_hints_given_under_both_names_are_refused(compute: Compute, furnished: Furnished) -> None:
    server = {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}
    body = {"server": server, "os:scheduler_hints": {}, "OS-SCH-HNT:scheduler_hints": {}}
    assert fault(compute.post("/servers", body))[2] == "Give scheduler hints once."
