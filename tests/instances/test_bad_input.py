"""Whatever is wrong in a request for an instance: a clear 4xx, nothing changed, nothing left."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from tests.support.rooms import add_host
from webcloud.db import Base, Database, new_id
from webcloud.hosts.models import Host
from webcloud.images.models import Image

UNKNOWN = "11111111-1111-4111-8111-111111111111"
LONG = "x" * 10_000

# fields to lay over a good request, the field named in the answer
WRONG_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "empty name": ({"name": ""}, "server.name"),
    "blank name": ({"name": "   "}, "server.name"),
    "10,000 letters": ({"name": LONG}, "server.name"),
    "256 letters": ({"name": "x" * 256}, "server.name"),
    "NUL in the name": ({"name": "a\x00b"}, "server.name"),
    "line break in the name": ({"name": "a\nb"}, "server.name"),
    "escape in the name": ({"name": "a\x1b[31mb"}, "server.name"),
    "direction override in the name": ({"name": "a\u202eb"}, "server.name"),
    "lone surrogate in the name": ({"name": "a\ud800b"}, "server.name"),
    "line separator in the name": ({"name": "a\u2028b"}, "server.name"),
    "name is a number": ({"name": 7}, "server.name"),
    "name is null": ({"name": None}, "server.name"),
    "name is a list": ({"name": ["a"]}, "server.name"),
    "name is an object": ({"name": {"a": "b"}}, "server.name"),
    "unknown field": ({"colour": "red"}, "server.colour"),
    "unknown field of a network": (
        {"networks": [{"uuid": UNKNOWN, "colour": "red"}]},
        "server.networks.0.colour",
    ),
    "unknown flavor": ({"flavorRef": "nope"}, "flavorRef"),
    "flavor is true": ({"flavorRef": True}, "server.flavorRef"),
    "flavor is null": ({"flavorRef": None}, "server.flavorRef"),
    "flavor is empty": ({"flavorRef": ""}, "server.flavorRef"),
    "unknown image": ({"imageRef": UNKNOWN}, "imageRef"),
    "image is not an id": ({"imageRef": "../../etc/passwd"}, "imageRef"),
    "image is a list": ({"imageRef": []}, "server.imageRef"),
    "no image": ({"imageRef": ""}, "server.imageRef"),
    "unknown network": ({"networks": [{"uuid": UNKNOWN}]}, "networks"),
    "network without uuid": ({"networks": [{}]}, "server.networks.0"),
    "a port": ({"networks": [{"port": UNKNOWN}]}, "server.networks.0"),
    "networks is a word": ({"networks": "all"}, "server.networks"),
    "networks is a number": ({"networks": 3}, "server.networks"),
    "nine networks": ({"networks": [{"uuid": UNKNOWN}] * 9}, "server.networks"),
    "address of another kind": (
        {"networks": [{"uuid": UNKNOWN, "fixed_ip": "10.0.0.300"}]},
        "server.networks.0.fixed_ip",
    ),
    "unknown key pair": ({"key_name": "nope"}, "key_name"),
    "key pair is a number": ({"key_name": 3}, "server.key_name"),
    "user data is not base64": ({"user_data": "#!/bin/sh"}, "server.user_data"),
    "user data over 64 KiB": (
        {"user_data": base64.b64encode(b"x" * 65_537).decode()},
        "server.user_data",
    ),
    "user data of 900 kB": ({"user_data": "A" * 900_000}, "server.user_data"),
    "user data is a number": ({"user_data": 5}, "server.user_data"),
    "metadata value is a number": ({"metadata": {"a": 1}}, "server.metadata.a"),
    "metadata key with markup": ({"metadata": {"<b>": "x"}}, "server.metadata"),
    "metadata value of 256": ({"metadata": {"a": "x" * 256}}, "server.metadata"),
    "129 metadata items": (
        {"metadata": {f"k{at}": "v" for at in range(129)}},
        "server.metadata",
    ),
    "metadata is a list": ({"metadata": []}, "server.metadata"),
    "count of none": ({"max_count": 0}, "server.max_count"),
    "count of eleven": ({"max_count": 11, "min_count": 1}, "server.max_count"),
    "count is a word": ({"max_count": "many"}, "server.max_count"),
    "count is half": ({"max_count": 1.5}, "server.max_count"),
    "fewest above most": ({"min_count": 3, "max_count": 2}, "server.min_count"),
    "unknown zone": ({"availability_zone": "mars"}, "server.availability_zone"),
    "a host, by a member": ({"availability_zone": "nova:n1"}, "availability_zone"),
    "unknown security group": (
        {"security_groups": [{"name": "web"}]},
        "server.security_groups.0.name",
    ),
    "boot from volume": (
        {
            "block_device_mapping_v2": [
                {"uuid": UNKNOWN, "source_type": "volume", "destination_type": "volume"}
            ]
        },
        "server.block_device_mapping_v2.0",
    ),
    "image copied to a volume": (
        {
            "block_device_mapping_v2": [
                {
                    "uuid": UNKNOWN,
                    "boot_index": 0,
                    "source_type": "image",
                    "destination_type": "volume",
                    "volume_size": 10,
                }
            ]
        },
        "server.block_device_mapping_v2.0",
    ),
    "password": ({"adminPass": "secret"}, "server.adminPass"),
    "host name with a dot": ({"hostname": "a.b"}, "server.hostname"),
    "description of 256": ({"description": "x" * 256}, "server.description"),
    "tags": ({"tags": ["a"]}, "server.tags"),
}

WRONG_BODIES: dict[str, Any] = {
    "a list": [],
    "a word": "server",
    "null": None,
    "empty": {},
    "server is null": {"server": None},
    "server is a list": {"server": [{}]},
    "server is empty": {"server": {}},
    "two objects": {"server": {}, "client": {}},
}


@contextmanager
def nothing_changes(database: Database) -> Iterator[None]:
    """Every row of every table is afterwards what it was before."""
    before = _rows(database)
    yield
    assert _rows(database) == before


def _rows(database: Database) -> dict[str, list[str]]:
    with database.reading() as session:
        return {
            table.name: sorted(repr(row) for row in session.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }


def good(furnished: Furnished) -> dict[str, Any]:
    return {"name": "vm1", "flavorRef": "1", "imageRef": furnished.image_id, "networks": "auto"}


@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_a_wrong_field_is_named_and_nothing_changes(
    case: str, compute: Compute, furnished: Furnished, database: Database
) -> None:
    overlay, field = WRONG_FIELDS[case]
    with nothing_changes(database):
        answer = compute.post("/servers", {"server": {**good(furnished), **overlay}})
    kind, code, message = fault(answer)
    assert (kind, code) == ("badRequest", 400), answer.text
    assert answer.json["badRequest"]["field"] == field  # type: ignore[index]
    assert message


@pytest.mark.parametrize("missing", ["name", "flavorRef", "imageRef"])
def test_a_missing_field_is_named(
    missing: str, compute: Compute, furnished: Furnished, database: Database
) -> None:
    body = {key: value for key, value in good(furnished).items() if key != missing}
    with nothing_changes(database):
        kind, _, message = fault(compute.post("/servers", {"server": body}))
    assert kind == "badRequest"
    assert f"server.{missing}" in message


@pytest.mark.parametrize("case", WRONG_BODIES)
def test_a_body_of_another_shape_is_refused(
    case: str, compute: Compute, database: Database
) -> None:
    with nothing_changes(database):
        assert fault(compute.post("/servers", WRONG_BODIES[case]))[0] == "badRequest"


def test_a_body_that_is_not_json_is_refused(compute: Compute, database: Database) -> None:
    for raw in (b"", b"{", b"server=1", b'{"server": NaN}', b"\xff\xfe", b"[" * 100_000):
        with nothing_changes(database):
            answer = compute.client.post(
                "/compute/v2.1/servers", data=raw, headers=compute.person.headers
            )
        assert fault(answer)[0] == "badRequest", raw[:20]


def test_a_body_over_a_megabyte_is_refused(compute: Compute, database: Database) -> None:
    with nothing_changes(database):
        answer = compute.post("/servers", {"server": {"name": "x" * 1_100_000}})
    assert fault(answer)[:2] == ("overLimit", 413)


def test_a_name_with_markup_is_text_like_any_other(compute: Compute, furnished: Furnished) -> None:
    name = "<script>alert(1)</script> & \"quotes\" 'é' 機械"
    server_id = compute.create(furnished.image_id, name)
    assert compute.get(f"/servers/{server_id}")["server"]["name"] == name


def test_user_data_of_exactly_64_kib_is_taken(compute: Compute, furnished: Furnished) -> None:
    compute.create(furnished.image_id, user_data=base64.b64encode(b"x" * 65_536).decode())


def test_a_second_instance_of_the_same_name_is_refused(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    compute.create(furnished.image_id, "db1")
    with nothing_changes(database):
        answer = compute.post("/servers", {"server": {**good(furnished), "name": "db1"}})
    kind, code, message = fault(answer)
    assert (kind, code) == ("conflictingRequest", 409)
    assert "'db1'" in message


def test_no_capacity_says_what_is_lacking_and_names_no_host(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=64))
    with nothing_changes(database):
        answer = compute.post("/servers", {"server": good(furnished)})
    kind, _, message = fault(answer)
    assert kind == "conflictingRequest"
    assert "n1" not in message
    assert "memory" in message


def test_operators_are_told_which_host_lacks_what(
    operator: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=64))
        for number in range(12):
            add_host(session, f"z{number:02}", vcpus=64, memory_mb=32)
    with nothing_changes(database):
        answer = operator.post("/servers", {"server": good(furnished)})
    _, code, message = fault(answer)
    assert code == 409
    assert "Host by host: n1 has" in message
    assert "; z08 has" in message
    assert "and 3 more." in message


def test_more_than_the_quota_is_refused_by_name(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    path = f"/os-quota-sets/{compute.person.project_id}"
    assert operator.call("PUT", path, {"quota_set": {"instances": 1}}).status_code == 200
    with nothing_changes(database):
        answer = compute.post(
            "/servers", {"server": {**good(furnished), "min_count": 2, "max_count": 2}}
        )
    kind, code, message = fault(answer)
    assert (kind, code) == ("forbidden", 403)
    assert "instances" in message


def test_a_flavor_smaller_than_the_image_is_refused(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(update(Image).values(virtual_size=3 * 1024**3))
    with nothing_changes(database):
        kind, _, message = fault(compute.post("/servers", {"server": good(furnished)}))
    assert kind == "badRequest"
    assert "3 GB" in message


def test_another_projects_image_is_as_good_as_none(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(update(Image).values(visibility="private", project_id=new_id()))
    with nothing_changes(database):
        kind, _, message = fault(compute.post("/servers", {"server": good(furnished)}))
    assert kind == "badRequest"
    assert furnished.image_id in message


FOREIGN = [
    ("GET", "", None),
    ("PUT", "", {"server": {"name": "mine"}}),
    ("DELETE", "", None),
    ("POST", "/action", {"os-stop": None}),
    ("POST", "/action", {"reboot": {"type": "HARD"}}),
    ("POST", "/action", {"os-getConsoleOutput": {}}),
    ("GET", "/metadata", None),
    ("POST", "/metadata", {"metadata": {"a": "b"}}),
    ("PUT", "/metadata", {"metadata": {"a": "b"}}),
    ("GET", "/metadata/a", None),
    ("PUT", "/metadata/a", {"meta": {"a": "b"}}),
    ("DELETE", "/metadata/a", None),
    ("GET", "/ips", None),
    ("GET", "/ips/default", None),
    ("GET", "/os-interface", None),
    ("GET", "/os-volume_attachments", None),
    ("GET", "/os-security-groups", None),
    ("GET", "/os-instance-actions", None),
    ("GET", "/tags", None),
]


@pytest.mark.parametrize(("method", "path", "body"), FOREIGN)
def test_a_foreign_id_looks_like_one_that_never_was(
    method: str,
    path: str,
    body: Any,
    *,
    compute: Compute,
    outsider: Compute,
    furnished: Furnished,
    database: Database,
) -> None:
    server_id = compute.create(furnished.image_id)
    with nothing_changes(database):
        foreign = outsider.call(method, f"/servers/{server_id}{path}", body)
        nowhere = outsider.call(method, f"/servers/{UNKNOWN}{path}", body)
        nonsense = outsider.call(method, f"/servers/%3Cb%3E..{path}", body)
    assert fault(foreign)[0] == "itemNotFound"
    assert fault(foreign)[2].replace(server_id, "") == fault(nowhere)[2].replace(UNKNOWN, "")
    assert nonsense.status_code == 404
