"""The network API, as stock clients call it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.support.furnished import Furnished, furnish
from tests.support.people import Person
from webcloud.db import Database, new_id
from webcloud.networks import service
from webcloud.networks.models import Network

BASE = "/network/v2.0"


@pytest.fixture
def furnished(database: Database) -> Furnished:
    return furnish(database)


@pytest.fixture
def instance_id(database: Database, furnished: Furnished, member: Person) -> str:
    """An instance of the member's that holds a port."""
    instance_id = new_id()
    with database.transaction() as session:
        network = session.get_one(Network, furnished.network_id)
        service.create_port(session, network, member.project_id, instance_id)
    return instance_id


def call(client: FlaskClient, person: Person, path: str, method: str = "GET") -> TestResponse:
    return client.open(f"{BASE}{path}", method=method, headers=person.headers)


def get(client: FlaskClient, person: Person, path: str) -> Any:
    answer = call(client, person, path)
    assert answer.status_code == 200, answer.text
    return answer.json


def refusal(answer: TestResponse) -> tuple[int, str]:
    """(status, type) of a refusal in Neutron's shape."""
    assert answer.json is not None
    body = answer.json["NeutronError"]
    assert set(body) == {"type", "message", "detail"}
    return answer.status_code, body["type"]


def test_the_version_documents_need_no_token(client: FlaskClient) -> None:
    for path in ("/network", "/network/"):
        assert client.get(path).json["versions"][0]["id"] == "v2.0"  # type: ignore[index]
    assert client.get(BASE).status_code == 200


def test_the_shared_network_is_seen_by_every_project(
    client: FlaskClient, furnished: Furnished, member: Person
) -> None:
    network = get(client, member, "/networks")["networks"][0]
    assert network["id"] == furnished.network_id
    assert network["shared"] is True
    subnet = get(client, member, f"/subnets/{network['subnets'][0]}")["subnet"]
    assert subnet["cidr"] == "10.77.0.0/24"
    assert subnet["gateway_ip"] == "10.77.0.1"
    assert subnet["dns_nameservers"] == ["10.77.0.1"]
    assert subnet["allocation_pools"] == [{"start": "10.77.0.10", "end": "10.77.0.254"}]
    assert get(client, member, "/subnets?network_id=" + network["id"])["subnets"] == [subnet]


def test_another_projects_network_does_not_exist(
    client: FlaskClient, database: Database, furnished: Furnished, member: Person, admin: Person
) -> None:
    with database.transaction() as session:
        session.execute(update(Network).values(shared=False))
    assert get(client, member, "/networks")["networks"] == []
    assert get(client, member, "/subnets")["subnets"] == []
    path = f"/networks/{furnished.network_id}"
    assert refusal(call(client, member, path)) == (404, "HTTPNotFound")
    assert get(client, admin, path)["network"]["name"] == "default"


def test_a_name_in_an_address_is_not_found_and_found_by_filter(
    client: FlaskClient, furnished: Furnished, member: Person
) -> None:
    for path in ("/networks/default", "/subnets/default", "/ports/x", "/security-groups/default"):
        assert refusal(call(client, member, path))[0] == 404
    assert len(get(client, member, "/networks?name=default")["networks"]) == 1
    assert get(client, member, "/networks?name=other")["networks"] == []
    assert get(client, member, "/networks?name=default&name=other")["networks"]
    assert get(client, member, "/networks?router:external=True")["networks"] == []
    assert get(client, member, "/networks?shared=true")["networks"]


def test_a_port_is_found_by_its_device(
    client: FlaskClient, instance_id: str, member: Person, stranger: Person
) -> None:
    port = get(client, member, f"/ports?device_id={instance_id}")["ports"][0]
    assert port["device_owner"] == "compute:nova"
    assert port["fixed_ips"][0]["ip_address"] == "10.77.0.10"
    assert get(client, member, "/ports?device_id=other")["ports"] == []
    assert get(client, member, "/ports?fixed_ips=ip_address=10.77.0.10")["ports"] == [port]
    assert get(client, member, "/ports?fixed_ips=ip_address=10.77.0.11")["ports"] == []
    assert get(client, member, f"/ports/{port['id']}")["port"] == port
    assert get(client, stranger, "/ports")["ports"] == []
    assert refusal(call(client, stranger, f"/ports/{port['id']}"))[0] == 404


def test_only_the_fields_asked_for_come_back(
    client: FlaskClient, instance_id: str, member: Person
) -> None:
    port = get(client, member, "/ports?fields=id&fields=mac_address")["ports"][0]
    assert set(port) == {"id", "mac_address"}


def test_lists_are_sorted_and_cut(
    client: FlaskClient, database: Database, furnished: Furnished, member: Person
) -> None:
    with database.transaction() as session:
        network = session.get_one(Network, furnished.network_id)
        for _ in range(3):
            service.create_port(session, network, member.project_id, new_id())
    query = "/ports?sort_key=id&sort_dir=desc"
    ids = [port["id"] for port in get(client, member, query)["ports"]]
    assert ids == sorted(ids, reverse=True)
    page = get(client, member, f"{query}&limit=1&marker={ids[0]}")["ports"]
    assert [port["id"] for port in page] == [ids[1]]


@pytest.mark.parametrize(
    "query",
    ["colour=red", "limit=x", "limit=-1", "marker=x", "sort_key=colour", "sort_key=id&sort_dir=up"],
)
def test_a_query_that_cannot_be_honoured_is_refused(
    query: str, client: FlaskClient, member: Person
) -> None:
    assert refusal(call(client, member, f"/ports?{query}")) == (400, "HTTPBadRequest")


def test_the_one_security_group_says_what_it_allows(
    client: FlaskClient, member: Person, stranger: Person
) -> None:
    group = get(client, member, "/security-groups")["security_groups"][0]
    assert group["name"] == "default"
    assert get(client, member, f"/security-groups/{group['id']}")["security_group"] == group
    rules = get(client, member, f"/security-group-rules?security_group_id={group['id']}")
    assert sorted(rule["direction"] for rule in rules["security_group_rules"]) == [
        "egress",
        "ingress",
    ]
    assert refusal(call(client, stranger, f"/security-groups/{group['id']}"))[0] == 404


def test_what_the_cloud_has_none_of_is_empty(client: FlaskClient, member: Person) -> None:
    assert get(client, member, "/routers") == {"routers": []}
    assert get(client, member, "/floatingips?port_id=x") == {"floatingips": []}
    assert get(client, member, "/extensions") == {"extensions": []}
    for path in ("/routers/x", "/floatingips/203.0.113.5", "/extensions/Availability%20Zone"):
        assert refusal(call(client, member, path))[0] == 404


@pytest.mark.parametrize("path", ["/networks", "/routers", "/security-groups", "/floatingips"])
def test_what_cannot_be_made_is_refused_in_words(
    path: str, client: FlaskClient, member: Person
) -> None:
    answer = call(client, member, path, "POST")
    assert refusal(answer) == (405, "HTTPMethodNotAllowed")
    assert "does not offer POST" in answer.text


def test_nobody_without_a_token_gets_in(client: FlaskClient) -> None:
    assert refusal(client.get(f"{BASE}/networks")) == (401, "HTTPUnauthorized")


def test_quotas_are_shown_and_set(
    client: FlaskClient, instance_id: str, member: Person, admin: Person, stranger: Person
) -> None:
    path = f"/quotas/{member.project_id}"
    assert get(client, member, path)["quota"]["port"] == 100
    assert get(client, member, f"{path}/default")["quota"]["network"] == 10
    details = get(client, member, f"{path}/details")["quota"]["port"]
    assert details == {"limit": 100, "used": 1, "reserved": 0}
    body = {"quota": {"port": 5, "check_limit": True}}
    assert client.put(f"{BASE}{path}", json=body, headers=member.headers).status_code == 403
    answer = client.put(f"{BASE}{path}", json=body, headers=admin.headers)
    assert answer.json["quota"]["port"] == 5  # type: ignore[index]
    for wrong in ({"port": -2}, {"port": "x"}, {"colour": 1}):
        answer = client.put(f"{BASE}{path}", json={"quota": wrong}, headers=admin.headers)
        assert refusal(answer) == (400, "HTTPBadRequest")
    assert refusal(call(client, stranger, path)) == (403, "PolicyNotAuthorized")
    assert refusal(call(client, admin, "/quotas/nope"))[0] == 404
