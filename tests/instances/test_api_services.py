"""Compute services and hypervisors as Nova's operators know them, by microversion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from webcloud.db import Database
from webcloud.hosts.models import Host


@pytest.fixture
def path(furnished: Furnished) -> str:
    return f"/os-services/{furnished.host_id}"


def put(operator: Compute, path: str, body: dict[str, Any]) -> Any:
    answer = operator.call("PUT", path, body)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return answer.json["service"]


def test_a_service_is_forced_down_and_back(operator: Compute, path: str) -> None:
    assert put(operator, path, {"forced_down": True})["forced_down"] is True
    (shown,) = operator.get("/os-services")["services"]
    assert (shown["state"], shown["forced_down"], shown["status"]) == ("down", True, "enabled")
    assert put(operator, path, {"forced_down": False})["state"] == "up"
    assert "forced_down" not in operator.at("2.10").get("/os-services")["services"][0]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"disabled_reason": "x"},
        {"status": "enabled", "disabled_reason": "x"},
        {"status": "disabled", "colour": "red"},
        {"forced_down": "perhaps"},
    ],
)
def test_a_change_that_says_nothing_clear_is_refused(
    body: dict[str, Any], operator: Compute, path: str
) -> None:
    assert fault(operator.call("PUT", path, body))[0] == "badRequest"


def test_older_clients_name_the_service_by_its_host(operator: Compute) -> None:
    old = operator.at("2.52")
    body = {"host": "n1", "binary": "nova-compute"}
    assert put(old, "/os-services/disable", body)["status"] == "disabled"
    assert put(old, "/os-services/enable", body)["status"] == "enabled"
    reason = {**body, "disabled_reason": "new disks"}
    told = put(old, "/os-services/disable-log-reason", reason)
    assert (told["status"], told["disabled_reason"]) == ("disabled", "new disks")
    assert put(old, "/os-services/force-down", {**body, "forced_down": True})["forced_down"]


@pytest.mark.parametrize(
    ("version", "verb", "body", "kind"),
    [
        ("2.53", "enable", {"host": "n1"}, "itemNotFound"),
        ("2.10", "force-down", {"host": "n1", "forced_down": True}, "itemNotFound"),
        ("2.52", "enable", {"host": "n9"}, "itemNotFound"),
        ("2.52", "enable", {"host": "n1", "binary": "nova-conductor"}, "badRequest"),
        ("2.52", "disable-log-reason", {"host": "n1"}, "badRequest"),
        ("2.52", "force-down", {"host": "n1"}, "badRequest"),
    ],
)
def test_older_addresses_refuse_what_they_do_not_know(
    version: str, verb: str, body: dict[str, Any], kind: str, operator: Compute
) -> None:
    answer = operator.at(version).call("PUT", f"/os-services/{verb}", body)
    assert fault(answer)[0] == kind


def test_deleting_a_service_removes_an_empty_host(
    operator: Compute, path: str, database: Database, furnished: Furnished
) -> None:
    assert operator.call("DELETE", path).status_code == 204
    assert operator.get("/os-services") == {"services": []}
    assert fault(operator.call("DELETE", path))[0] == "itemNotFound"
    with database.reading() as session:
        assert session.get(Host, furnished.host_id) is None


def test_deleting_the_service_of_a_host_in_use_is_a_conflict(
    operator: Compute, compute: Compute, path: str, database: Database, furnished: Furnished
) -> None:
    from webcloud.instances.models import Instance

    server_id = compute.create(furnished.image_id)
    with database.transaction() as session:
        session.get_one(Instance, server_id).host_id = furnished.host_id
    kind, _, words = fault(operator.call("DELETE", path))
    assert kind == "conflictingRequest"
    assert "1 instances" in words
    assert operator.get("/os-services")["services"][0]["status"] == "enabled"


def test_members_change_no_service(compute: Compute, path: str) -> None:
    assert fault(compute.call("PUT", path, {"status": "disabled"}))[0] == "forbidden"
    assert fault(compute.call("DELETE", path))[0] == "forbidden"


def test_the_uptime_moved_into_the_hypervisor(
    operator: Compute, furnished: Furnished, database: Database
) -> None:
    address = f"/os-hypervisors/{furnished.host_id}"
    with database.transaction() as session:
        host = session.get_one(Host, furnished.host_id)
        host.booted_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        host.address = "10.0.0.7"
    shown = operator.get(address)["hypervisor"]
    assert shown["uptime"] == "up since 2026-01-02T03:04:05Z"
    assert shown["host_ip"] == "10.0.0.7"
    assert "vcpus" not in shown
    older = operator.at("2.87")
    assert older.get(f"{address}/uptime")["hypervisor"]["uptime"] == shown["uptime"]
    assert fault(operator.call("GET", f"{address}/uptime"))[0] == "itemNotFound"
    with database.transaction() as session:
        session.get_one(Host, furnished.host_id).forced_down = True
    assert operator.get(address)["hypervisor"]["uptime"] is None


def test_the_sums_over_open_hosts_are_for_older_clients(operator: Compute) -> None:
    sums = operator.at("2.87").get("/os-hypervisors/statistics")["hypervisor_statistics"]
    assert (sums["count"], sums["vcpus"], sums["memory_mb"]) == (1, 16, 16384)
    assert "cpu_info" not in sums
    assert fault(operator.call("GET", "/os-hypervisors/statistics"))[0] == "itemNotFound"


def test_hypervisors_are_paged(operator: Compute, furnished: Furnished) -> None:
    assert operator.get("/os-hypervisors?limit=0")["hypervisors"] == []
    marked = operator.get(f"/os-hypervisors?marker={furnished.host_id}")
    assert marked["hypervisors"] == []
    assert fault(operator.call("GET", "/os-hypervisors?marker=x"))[0] == "badRequest"


def test_an_empty_list_of_servers_is_shown_since_2_75(operator: Compute) -> None:
    query = "/os-hypervisors?with_servers=true"
    assert operator.get(query)["hypervisors"][0]["servers"] == []
    assert "servers" not in operator.at("2.74").get(query)["hypervisors"][0]
