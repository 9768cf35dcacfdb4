"""Flavors through the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instances.compute import Compute, fault
from webcloud.db import Database
from webcloud.instances import flavors

NEW = {"name": "m1.new", "ram": 512, "vcpus": 2, "disk": 3, "id": None}


def names(answer: Any) -> list[str]:
    return [flavor["name"] for flavor in answer["flavors"]]


def make(operator: Compute, **fields: Any) -> str:
    answer = operator.post("/flavors", {"flavor": {**NEW, **fields}})
    assert answer.status_code == 200, answer.text
    return str(answer.json["flavor"]["id"])  # type: ignore[index]


def test_the_default_flavors_have_stable_ids(compute: Compute, database: Database) -> None:
    with database.transaction() as session:
        flavors.ensure_defaults(session)
    found = compute.get("/flavors/detail")["flavors"]
    assert [(each["id"], each["name"]) for each in found] == [
        ("1", "tiny"),
        ("2", "small"),
        ("3", "medium"),
        ("4", "large"),
    ]
    tiny = found[0]
    assert (tiny["vcpus"], tiny["ram"], tiny["disk"]) == (1, 128, 1)


def test_an_operator_makes_describes_and_deletes_a_flavor(operator: Compute) -> None:
    flavor_id = make(operator, id="auto", swap=0, **{"OS-FLV-EXT-DATA:ephemeral": 0})
    answer = operator.call("PUT", f"/flavors/{flavor_id}", {"flavor": {"description": "for db"}})
    assert answer.json["flavor"]["description"] == "for db"  # type: ignore[index]
    assert operator.get(f"/flavors/{flavor_id}")["flavor"]["ram"] == 512
    assert operator.call("DELETE", f"/flavors/{flavor_id}").status_code == 202
    assert fault(operator.call("GET", f"/flavors/{flavor_id}"))[0] == "itemNotFound"
    assert fault(operator.call("DELETE", f"/flavors/{flavor_id}"))[0] == "itemNotFound"


def test_a_private_flavor_does_not_exist_for_members(compute: Compute, operator: Compute) -> None:
    flavor_id = make(operator, **{"os-flavor-access:is_public": False})
    assert "m1.new" not in names(compute.get("/flavors?is_public=None"))
    assert fault(compute.call("GET", f"/flavors/{flavor_id}"))[0] == "itemNotFound"
    assert fault(compute.call("GET", f"/flavors/{flavor_id}/os-extra_specs"))[0] == "itemNotFound"
    assert "m1.new" not in names(operator.get("/flavors"))
    assert "m1.new" in names(operator.get("/flavors?is_public=None"))
    assert names(operator.get("/flavors?is_public=False")) == ["m1.new"]


def test_extra_specs_are_set_and_removed(compute: Compute, operator: Compute) -> None:
    path = "/flavors/1/os-extra_specs"
    assert operator.post(path, {"extra_specs": {"a": "b", "c": "d"}}).status_code == 200
    assert compute.get(path) == {"extra_specs": {"a": "b", "c": "d"}}
    assert compute.get(f"{path}/a") == {"a": "b"}
    assert compute.get("/flavors/1")["flavor"]["extra_specs"] == {"a": "b", "c": "d"}
    assert "extra_specs" not in compute.at("2.60").get("/flavors/1")["flavor"]
    assert operator.call("DELETE", f"{path}/a").status_code == 200
    assert fault(operator.call("DELETE", f"{path}/a"))[0] == "itemNotFound"
    assert fault(compute.call("GET", f"{path}/a"))[0] == "itemNotFound"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/flavors?minRam=2048", ["medium", "large"]),
        ("/flavors?minDisk=21", ["large"]),
        ("/flavors?limit=2", ["tiny", "small"]),
        ("/flavors?limit=1&marker=2", ["medium"]),
    ],
)
def test_lists_can_be_narrowed(path: str, expected: list[str], compute: Compute) -> None:
    assert names(compute.get(path)) == expected


@pytest.mark.parametrize("query", ["minRam=x", "marker=nope", "is_public=perhaps", "limit=x"])
def test_a_bad_query_is_refused(query: str, operator: Compute) -> None:
    assert fault(operator.call("GET", f"/flavors?{query}"))[0] == "badRequest"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"id": "1"}, 409),
        ({"name": "tiny"}, 409),
        ({"name": ""}, 400),
        ({"name": "a\nb"}, 400),
        ({"ram": 0}, 400),
        ({"ram": "lots"}, 400),
        ({"vcpus": 0}, 400),
        ({"vcpus": True}, 400),
        ({"disk": -1}, 400),
        ({"disk": 2**40}, 400),
        ({"swap": 512}, 400),
        ({"rxtx_factor": 2.0}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_a_flavor_that_cannot_be_is_refused(
    fields: dict[str, Any], status: int, operator: Compute
) -> None:
    answer = operator.post("/flavors", {"flavor": {**NEW, **fields}})
    assert fault(answer)[1] == status
    assert len(operator.get("/flavors?is_public=None")["flavors"]) == 4


def test_members_may_not_change_flavors(compute: Compute) -> None:
    for method, path, body in (
        ("POST", "/flavors", {"flavor": NEW}),
        ("PUT", "/flavors/1", {"flavor": {"description": "x"}}),
        ("DELETE", "/flavors/1", None),
        ("POST", "/flavors/1/os-extra_specs", {"extra_specs": {"a": "b"}}),
        ("DELETE", "/flavors/1/os-extra_specs/a", None),
    ):
        assert fault(compute.call(method, path, body))[0] == "forbidden"
