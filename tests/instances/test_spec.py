"""What a host is told about an instance."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.instances.played import accept, furnish
from tests.support.rooms import add_host, fresh_database
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Aggregate, AggregateHost, Host
from webcloud.instances import spec
from webcloud.instances.models import Instance
from webcloud.networks import service as networks

KEY = "ssh-ed25519 AAAA lan@laptop"


@pytest.fixture
def rooms(app: Flask, tmp_path: Path) -> Database:
    return fresh_database(tmp_path)


def drive(database: Database, instance_id: str, **columns: object) -> dict[str, Any]:
    """The config drive's files, decoded."""
    with database.transaction() as session:
        instance = session.get_one(Instance, instance_id)
        for name, value in columns.items():
            setattr(instance, name, value)
        files = spec.config_drive_command(session, instance).files
    return {path: base64.b64decode(content) for path, content in files.items()}


def test_the_drive_names_the_instance_and_its_network_card(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)
    files = drive(rooms, instance_id)
    meta = json.loads(files["openstack/latest/meta_data.json"])
    assert (meta["uuid"], meta["hostname"]) == (instance_id, "db1")
    assert "keys" not in meta
    network = json.loads(files["openstack/latest/network_data.json"])
    assert network["networks"][0]["type"] == "ipv4_dhcp"
    assert network["links"][0]["ethernet_mac_address"].startswith("fa:16:3e:")
    assert json.loads(files["ec2/latest/meta-data.json"])["local-ipv4"] == "10.9.8.10"
    assert "openstack/latest/user_data" not in files


@pytest.mark.parametrize(
    ("properties", "zone"), [({"availability_zone": "z1"}, "z1"), ({"disk": "ssd"}, "nova")]
)
def test_the_drive_names_the_zone_that_the_instance_is_in(
    rooms: Database, properties: dict[str, str], zone: str
) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)
    with rooms.transaction() as session:
        host_id = session.scalars(select(Host.id)).one()
        made = Aggregate(uuid=new_id(), name="a", properties=properties, created_at=now())
        session.add(made)
        session.flush()
        session.add(AggregateHost(aggregate_id=made.id, host_id=host_id))
    meta = json.loads(drive(rooms, instance_id, host_id=host_id)["openstack/latest/meta_data.json"])
    assert meta["availability_zone"] == zone


def test_the_drive_of_an_instance_that_is_moved_names_where_it_will_be(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)
    with rooms.transaction() as session:
        target = add_host(session, "n2").id
        zone = {"availability_zone": "z2"}
        made = Aggregate(uuid=new_id(), name="a", properties=zone, created_at=now())
        session.add(made)
        session.flush()
        session.add(AggregateHost(aggregate_id=made.id, host_id=target))
    files = drive(rooms, instance_id, target_host_id=target)
    assert json.loads(files["openstack/latest/meta_data.json"])["availability_zone"] == "z2"


def test_key_and_user_data_arrive_unchanged(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)
    data = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()
    files = drive(rooms, instance_id, key_name="laptop", public_key=KEY, user_data=data)
    meta = json.loads(files["openstack/latest/meta_data.json"])
    assert meta["public_keys"] == {"laptop": KEY}
    assert meta["keys"] == [{"name": "laptop", "type": "ssh", "data": KEY}]
    assert files["openstack/latest/user_data"] == b"#!/bin/sh\necho hello\n"
    assert files["ec2/latest/user-data"] == files["openstack/latest/user_data"]
    ec2 = json.loads(files["ec2/latest/meta-data.json"])
    assert ec2["public-keys"] == {"0": {"openssh-key": KEY}}


def test_an_instance_without_a_network_has_no_card(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)
    with rooms.transaction() as session:
        networks.remove_ports(session, instance_id)
    files = drive(rooms, instance_id)
    assert json.loads(files["openstack/latest/network_data.json"])["links"] == []
    assert "local-ipv4" not in json.loads(files["ec2/latest/meta-data.json"])
    with rooms.reading() as session:
        assert spec.domain(session, session.get_one(Instance, instance_id)).interfaces == ()
