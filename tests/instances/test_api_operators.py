"""Quotas, limits, hosts and the collections that are empty."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from webcloud.db import Database
from webcloud.hosts.models import Host


def test_limits_count_what_is_claimed(compute: Compute, furnished: Furnished) -> None:
    compute.create(furnished.image_id, min_count=2, max_count=2)
    absolute = compute.get("/limits?reserved=False")["limits"]["absolute"]
    assert absolute["totalInstancesUsed"] == 2
    assert absolute["totalRAMUsed"] == 256
    assert absolute["maxTotalInstances"] == 20
    assert "maxSecurityGroups" not in absolute
    assert "maxSecurityGroups" in compute.at("2.35").get("/limits")["limits"]["absolute"]


def test_an_operator_sets_a_quota_and_members_see_it(
    compute: Compute, operator: Compute, furnished: Furnished
) -> None:
    compute.create(furnished.image_id)
    path = f"/os-quota-sets/{compute.person.project_id}"
    answer = operator.call("PUT", path, {"quota_set": {"cores": 30, "ram": -1, "force": False}})
    assert answer.json["quota_set"]["cores"] == 30  # type: ignore[index]
    shown = compute.get(path)["quota_set"]
    assert (shown["cores"], shown["ram"], shown["id"]) == (30, -1, compute.person.project_id)
    detail = compute.get(f"{path}/detail")["quota_set"]
    assert detail["cores"] == {"in_use": 1, "limit": 30, "reserved": 0}
    assert compute.get(f"{path}/defaults")["quota_set"]["cores"] == 40


def test_a_quota_below_what_is_used_needs_force(
    compute: Compute, operator: Compute, furnished: Furnished
) -> None:
    compute.create(furnished.image_id)
    path = f"/os-quota-sets/{compute.person.project_id}"
    assert fault(operator.call("PUT", path, {"quota_set": {"cores": 0}}))[0] == "badRequest"
    forced = {"quota_set": {"cores": 0, "force": True}}
    assert operator.call("PUT", path, forced).status_code == 200


@pytest.mark.parametrize(
    "quota", [{"cores": -2}, {"cores": "x"}, {"colour": 1}, {"ram": 2**40}, {"cores": 1.5}]
)
def test_a_quota_that_cannot_be_is_refused(
    quota: dict[str, Any], compute: Compute, operator: Compute
) -> None:
    path = f"/os-quota-sets/{compute.person.project_id}"
    assert fault(operator.call("PUT", path, {"quota_set": quota}))[0] == "badRequest"


def test_another_projects_quota_is_for_operators(
    compute: Compute, outsider: Compute, operator: Compute
) -> None:
    path = f"/os-quota-sets/{outsider.person.project_id}"
    assert fault(compute.call("GET", path))[0] == "forbidden"
    assert fault(compute.call("PUT", path, {"quota_set": {"cores": 1}}))[0] == "forbidden"
    assert fault(operator.call("GET", "/os-quota-sets/nope"))[0] == "itemNotFound"
    tenant = f"tenant_id={outsider.person.project_id}"
    assert fault(compute.call("GET", f"/limits?{tenant}"))[0] == "forbidden"
    assert operator.get(f"/limits?{tenant}")["limits"]["absolute"]["totalInstancesUsed"] == 0


def test_hosts_are_shown_to_operators(operator: Compute, furnished: Furnished) -> None:
    listed = operator.get("/os-hypervisors")["hypervisors"]
    assert [(each["hypervisor_hostname"], each["state"]) for each in listed] == [("n1", "up")]
    shown = operator.get(f"/os-hypervisors/{furnished.host_id}")["hypervisor"]
    assert (shown["hypervisor_type"], shown["hypervisor_version"]) == ("QEMU", 7_002_001)
    assert fault(operator.call("GET", "/os-hypervisors/n1"))[0] == "itemNotFound"
    assert operator.get("/os-hypervisors?hypervisor_hostname_pattern=n")["hypervisors"]
    missing = operator.call("GET", "/os-hypervisors?hypervisor_hostname_pattern=x")
    assert fault(missing)[0] == "itemNotFound"


def test_a_host_shows_its_servers_when_asked(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    from webcloud.instances.models import Instance

    server_id = compute.create(furnished.image_id)
    with database.transaction() as session:
        session.execute(update(Instance).values(host_id=furnished.host_id))
    path = f"/os-hypervisors/{furnished.host_id}"
    shown = operator.get(f"{path}?with_servers=True")["hypervisor"]
    assert shown["servers"] == [{"uuid": server_id, "name": "vm1"}]
    assert "servers" not in operator.get(path)["hypervisor"]


def test_a_disabled_host_takes_no_new_server(
    compute: Compute, operator: Compute, furnished: Furnished
) -> None:
    path = f"/os-services/{furnished.host_id}"
    answer = operator.call("PUT", path, {"status": "disabled", "disabled_reason": "new disk"})
    assert answer.json["service"]["disabled_reason"] == "new disk"  # type: ignore[index]
    body = {"server": {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id}}
    assert fault(compute.post("/servers", body))[0] == "conflictingRequest"
    operator.call("PUT", path, {"status": "enabled"})
    assert compute.post("/servers", body).status_code == 202
    assert fault(operator.call("PUT", path, {"status": "away"}))[0] == "badRequest"


def test_services_can_be_filtered(operator: Compute, database: Database) -> None:
    assert operator.get("/os-services?binary=nova-compute&host=n1")["services"][0]["state"] == "up"
    assert operator.get("/os-services?host=n2") == {"services": []}
    assert operator.get("/os-services?binary=nova-conductor") == {"services": []}
    with database.transaction() as session:
        session.execute(update(Host).values(last_seen_at=None))
    assert operator.get("/os-services")["services"][0]["state"] == "down"


@pytest.mark.parametrize(
    "path",
    [
        "/os-hypervisors",
        "/os-hypervisors/detail",
        "/os-services",
        "/os-availability-zone/detail",
        "/os-aggregates",
        "/os-migrations",
    ],
)
def test_members_do_not_see_hosts(path: str, compute: Compute) -> None:
    assert fault(compute.call("GET", path))[0] == "forbidden"


@pytest.mark.parametrize(
    ("path", "collection"),
    [
        ("/os-migrations", "migrations"),
        ("/extensions", "extensions"),
    ],
)
def test_what_the_cloud_has_none_of_is_an_empty_list(
    path: str, collection: str, operator: Compute
) -> None:
    assert operator.get(path) == {collection: []}
