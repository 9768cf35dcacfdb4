"""Aggregates and availability zones over the compute API."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from tests.support.rooms import add_host
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, now
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance


@pytest.fixture
def second(database: Database, furnished: Furnished) -> str:
    """Another host, n2; its id."""
    with database.transaction() as session:
        return add_host(session, "n2", memory_mb=16384).id


def made(operator: Compute, name: str = "fast", **more: Any) -> int:
    answer = operator.post("/os-aggregates", {"aggregate": {"name": name, **more}})
    assert answer.status_code == 200, answer.text
    return int(answer.json["aggregate"]["id"])  # type: ignore[index]


def act(operator: Compute, aggregate_id: int, **action: Any) -> Any:
    return operator.post(f"/os-aggregates/{aggregate_id}/action", action)


def zones(compute: Compute) -> dict[str, bool]:
    found = compute.get("/os-availability-zone")["availabilityZoneInfo"]
    assert all(each["hosts"] is None for each in found)
    return {each["zoneName"]: each["zoneState"]["available"] for each in found}


def test_an_aggregate_is_made_filled_changed_emptied_and_deleted(
    operator: Compute, database: Database, furnished: Furnished
) -> None:
    answer = operator.post("/os-aggregates", {"aggregate": {"name": "fast"}})
    body = answer.json["aggregate"]  # type: ignore[index]
    assert (body["availability_zone"], body["deleted"]) == (None, False)
    assert "hosts" not in body
    assert "uuid" in body
    path = f"/os-aggregates/{body['id']}"
    assert act(operator, body["id"], add_host={"host": "n1"}).json["aggregate"]["hosts"] == ["n1"]
    wanted = {"metadata": {"disk": "ssd", "x": "y"}}
    assert act(operator, body["id"], set_metadata=wanted).status_code == 200
    unset = act(operator, body["id"], set_metadata={"metadata": {"x": None}})
    assert unset.json["aggregate"]["metadata"] == {"disk": "ssd"}
    renamed = operator.call("PUT", path, {"aggregate": {"name": "faster"}})
    assert renamed.json["aggregate"]["name"] == "faster"  # type: ignore[index]
    same = operator.call("PUT", path, {"aggregate": {"name": "faster"}})
    assert same.status_code == 200
    assert operator.get(path)["aggregate"]["updated_at"]
    assert [each["name"] for each in operator.get("/os-aggregates")["aggregates"]] == ["faster"]
    assert fault(operator.call("DELETE", path))[2].startswith("Aggregate faster has hosts.")
    assert act(operator, body["id"], remove_host={"host": "n1"}).status_code == 200
    assert operator.call("DELETE", path).status_code == 200
    assert fault(operator.call("GET", path))[0] == "itemNotFound"
    with database.reading() as session:
        actions = session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject_type == "aggregate")
        )
        assert sorted(set(actions)) == [
            *("aggregate.add_host", "aggregate.create", "aggregate.delete"),
            *("aggregate.remove_host", "aggregate.update"),
        ]


def test_older_versions_have_no_uuid(operator: Compute) -> None:
    made(operator)
    assert "uuid" not in operator.at("2.40").get("/os-aggregates")["aggregates"][0]


@pytest.mark.parametrize("path", ["fast", "0", "999999999999", "\u0661"])
def test_what_is_no_aggregate_is_not_found(path: str, operator: Compute) -> None:
    made(operator)
    assert fault(operator.call("GET", f"/os-aggregates/{path}"))[0] == "itemNotFound"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"aggregate": {"name": ""}}, "badRequest"),
        ({"aggregate": {"name": "a", "availability_zone": "a:b"}}, "badRequest"),
        ({"aggregate": {"name": "a", "availability_zone": " "}}, "badRequest"),
        ({"aggregate": {"name": "a", "colour": "red"}}, "badRequest"),
        ({"aggregate": {"name": "fast"}}, "conflictingRequest"),
    ],
)
def test_a_wrong_aggregate_is_refused(body: Any, kind: str, operator: Compute) -> None:
    made(operator)
    assert fault(operator.post("/os-aggregates", body))[0] == kind


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ({}, "badRequest"),
        ({"add_host": {"host": "n1"}, "remove_host": {"host": "n1"}}, "badRequest"),
        ({"add_host": {"host": "n9"}}, "itemNotFound"),
        ({"remove_host": {"host": "n2"}}, "itemNotFound"),
        ({"add_host": {"host": "n1"}}, "conflictingRequest"),
        ({"set_metadata": {"metadata": {"a/b": "c"}}}, "badRequest"),
        ({"set_metadata": {"metadata": {"a": "c" * 256}}}, "badRequest"),
        ({"set_metadata": {"metadata": {"availability_zone": ":"}}}, "badRequest"),
        ({"set_metadata": {"metadata": {f"k{n}": "v" for n in range(129)}}}, "badRequest"),
    ],
)
def test_a_wrong_action_is_refused(
    action: dict[str, Any], kind: str, operator: Compute, second: str
) -> None:
    aggregate_id = made(operator)
    assert act(operator, aggregate_id, add_host={"host": "n1"}).status_code == 200
    before = operator.get(f"/os-aggregates/{aggregate_id}")
    assert fault(act(operator, aggregate_id, **action))[0] == kind
    assert operator.get(f"/os-aggregates/{aggregate_id}") == before


def test_members_neither_see_nor_change_aggregates(compute: Compute) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/1"), ("POST", "/1/action")):
        assert fault(compute.call(method, f"/os-aggregates{path}", {}))[0] == "forbidden"


def test_an_aggregate_with_a_zone_makes_it_for_its_hosts(
    compute: Compute, operator: Compute, second: str, database: Database
) -> None:
    assert zones(compute) == {"nova": True}
    aggregate_id = made(operator, availability_zone="z1")
    assert zones(compute) == {"nova": True}
    act(operator, aggregate_id, add_host={"host": "n2"})
    assert zones(compute) == {"nova": True, "z1": True}
    services = operator.get("/os-services")["services"]
    assert {each["host"]: each["zone"] for each in services} == {"n1": "nova", "n2": "z1"}
    detail = operator.get("/os-availability-zone/detail")["availabilityZoneInfo"]
    assert [sorted(each["hosts"]) for each in detail] == [["n1"], ["n2"]]
    assert detail[1]["hosts"]["n2"]["nova-compute"]["available"] is True
    operator.call("PUT", f"/os-services/{second}", {"status": "disabled"})
    assert zones(compute) == {"nova": True, "z1": False}
    operator.call(
        "PUT", f"/os-aggregates/{aggregate_id}", {"aggregate": {"availability_zone": "z2"}}
    )
    assert zones(compute) == {"nova": True, "z2": False}
    with database.transaction() as session:
        session.execute(update(Host).values(last_seen_at=None))
    assert zones(compute) == {"nova": False, "z2": False}


def test_without_hosts_there_is_still_the_default_zone(
    compute: Compute, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(Host.__table__.delete())  # type: ignore[attr-defined]
    assert zones(compute) == {"nova": False}


def test_no_host_gets_into_two_zones(operator: Compute, second: str) -> None:
    first, other, plain = (
        made(operator, "a", availability_zone="z1"),
        made(operator, "b", availability_zone="z2"),
        made(operator, "c"),
    )
    for aggregate_id in (first, plain):
        assert act(operator, aggregate_id, add_host={"host": "n1"}).status_code == 200
    refused = act(operator, other, add_host={"host": "n1"})
    assert fault(refused)[2].startswith("Host n1 is in availability zone z1 already.")
    becoming = {"metadata": {"availability_zone": "z2"}}
    assert fault(act(operator, plain, set_metadata=becoming))[0] == "conflictingRequest"
    same = {"metadata": {"availability_zone": "z1"}}
    assert act(operator, plain, set_metadata=same).status_code == 200


def test_an_instance_keeps_its_host_in_the_zone_it_was_asked_for(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    aggregate_id = made(operator, availability_zone="z1")
    act(operator, aggregate_id, add_host={"host": "n1"})
    server_id = compute.create(furnished.image_id, availability_zone="z1")
    compute.create(furnished.image_id, "anywhere")
    waiting = compute.get(f"/servers/{server_id}")["server"]
    assert waiting["OS-EXT-AZ:availability_zone"] == waiting["pinned_availability_zone"] == "z1"
    with database.transaction() as session:
        session.execute(update(Instance).values(host_id=furnished.host_id))
    for attempt in (
        act(operator, aggregate_id, remove_host={"host": "n1"}),
        act(operator, aggregate_id, set_metadata={"metadata": {"availability_zone": "z2"}}),
        act(operator, aggregate_id, set_metadata={"metadata": {"availability_zone": None}}),
    ):
        assert fault(attempt)[2] == (
            "Instance vm1 was asked for in availability zone z1 and is on one of these hosts."
        )
    with database.transaction() as session:
        session.execute(update(Instance).values(deleted_at=now()))
    assert act(operator, aggregate_id, remove_host={"host": "n1"}).status_code == 200
