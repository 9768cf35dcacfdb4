"""Negotiating a microversion, and what each changes in a shape."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instances.compute import BASE, Compute, fault
from tests.support.furnished import Furnished


def test_the_version_documents_need_no_token(compute: Compute) -> None:
    for path in ("/compute", "/compute/"):
        version = compute.client.get(path).json["versions"][0]  # type: ignore[index]
        assert (version["min_version"], version["version"]) == ("2.1", "2.96")
    for path in (BASE, f"{BASE}/"):
        version = compute.client.get(path).json["version"]  # type: ignore[index]
        assert version["id"] == "v2.1"
        assert version["status"] == "CURRENT"


@pytest.mark.parametrize(
    ("headers", "used"),
    [
        ({}, "2.1"),
        ({"OpenStack-API-Version": "compute 2.53"}, "2.53"),
        ({"OpenStack-API-Version": "compute latest"}, "2.96"),
        ({"OpenStack-API-Version": "volume 3.1, compute 2.7"}, "2.7"),
        ({"OpenStack-API-Version": "volume 3.71"}, "2.1"),
        ({"X-OpenStack-Nova-API-Version": "2.26"}, "2.26"),
        (
            {"OpenStack-API-Version": "compute 2.60", "X-OpenStack-Nova-API-Version": "2.26"},
            "2.60",
        ),
    ],
)
def test_the_version_used_is_echoed(headers: dict[str, str], used: str, compute: Compute) -> None:
    answer = compute.client.get(f"{BASE}/servers", headers={**compute.person.headers, **headers})
    assert answer.status_code == 200
    assert answer.headers["OpenStack-API-Version"] == f"compute {used}"
    assert answer.headers["X-OpenStack-Nova-API-Version"] == used
    assert "OpenStack-API-Version" in answer.headers["Vary"]


@pytest.mark.parametrize("version", ["2.0", "2.97", "3.1", "1.1", "2.1000000"])
def test_a_version_out_of_range_is_not_acceptable(version: str, compute: Compute) -> None:
    answer = compute.at(version).call("GET", "/servers")
    assert fault(answer)[:2] == ("notAcceptable", 406)


@pytest.mark.parametrize("version", ["two", "2", "2.", "2.01", "-2.1", "2.1.1", "", "²"])
def test_a_version_that_cannot_be_read_is_refused(version: str, compute: Compute) -> None:
    answer = compute.at(version).call("GET", "/servers")
    assert fault(answer)[:2] == ("badRequest", 400)


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("locked", 9),
        ("description", 19),
        ("tags", 26),
        ("trusted_image_certificates", 63),
        ("server_groups", 71),
        ("locked_reason", 73),
        ("OS-EXT-SRV-ATTR:hostname", 90),
        ("pinned_availability_zone", 96),
    ],
)
def test_a_member_appears_with_its_version(
    name: str, since: int, compute: Compute, furnished: Furnished
) -> None:
    path = f"/servers/{compute.create(furnished.image_id)}"
    assert name not in compute.at(f"2.{since - 1}").get(path)["server"]
    assert name in compute.at(f"2.{since}").get(path)["server"]


def test_the_flavor_is_embedded_from_2_47_on(compute: Compute, furnished: Furnished) -> None:
    path = f"/servers/{compute.create(furnished.image_id)}"
    before: dict[str, Any] = compute.at("2.46").get(path)["server"]["flavor"]
    assert set(before) == {"id", "links"}
    after: dict[str, Any] = compute.at("2.47").get(path)["server"]["flavor"]
    assert "id" not in after
    assert (after["original_name"], after["ram"], after["vcpus"]) == ("tiny", 128, 1)


def test_a_field_younger_than_the_version_is_refused(
    compute: Compute, furnished: Furnished
) -> None:
    server = {
        "name": "vm1",
        "flavorRef": "1",
        "imageRef": furnished.image_id,
        "hostname": "db1",
    }
    answer = compute.at("2.89").post("/servers", {"server": server})
    assert "2.90" in fault(answer)[2]
    assert compute.at("2.90").post("/servers", {"server": server}).status_code == 202


def test_hypervisors_lose_their_figures_at_2_88(operator: Compute) -> None:
    before = operator.at("2.87").get("/os-hypervisors/detail")["hypervisors"][0]
    assert (before["vcpus"], before["memory_mb"], before["local_gb"]) == (16, 16 * 1024, 200)
    after = operator.at("2.88").get("/os-hypervisors/detail")["hypervisors"][0]
    assert "vcpus" not in after
    assert "uptime" in after


def test_the_request_id_can_be_copied(compute: Compute) -> None:
    answer = compute.call("GET", "/servers/nope")
    assert answer.headers["X-Openstack-Request-Id"].startswith("req-")


def test_a_route_that_is_not_there_is_told_in_novas_shape(compute: Compute) -> None:
    assert fault(compute.call("GET", "/nonsense"))[:2] == ("itemNotFound", 404)
    kind, code, message = fault(compute.call("DELETE", "/servers"))
    assert (kind, code) == ("badMethod", 405)
    assert "DELETE" in message
