"""What one port or network has, no other one has: broken by hand, it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.instances.played import existing
from tests.support.rooms import fresh_database
from webcloud.admin.verify import addresses
from webcloud.db import Database, new_id
from webcloud.networks.models import Network, Port, Subnet


@pytest.fixture
def rooms(app: Flask, tmp_path: Path) -> Database:
    """With one instance, its port and its network."""
    database = fresh_database(tmp_path)
    existing(database, "running")
    return database


def twin(row: object, **columns: object) -> object:
    """A new row like this one, but for these columns."""
    kind = type(row)
    values = {
        column.key: getattr(row, column.key)
        for column in kind.__table__.columns  # type: ignore[attr-defined]
    }
    return kind(**{**values, "id": new_id(), **columns})


def the_same_address_in_a_second_subnet(session: Session, port: Port) -> str:
    subnet = twin(session.get_one(Subnet, port.subnet_id), gateway="10.77.0.254")
    session.add(subnet)
    session.flush()
    session.add(
        twin(port, subnet_id=subnet.id, mac="fa:16:3e:00:00:01")  # type: ignore[attr-defined]
    )
    return "has the address"


def the_address_of_the_gateway(session: Session, port: Port) -> str:
    port.address = session.get_one(Subnet, port.subnet_id).gateway
    return "has the address"


def the_same_tap(session: Session, port: Port) -> str:
    other = port.id[:13] + new_id()[13:]
    session.add(twin(port, id=other, mac="fa:16:3e:00:00:01", address="10.77.0.200"))
    return "has the tap"


def the_same_bridge(session: Session, port: Port) -> str:
    other = port.network_id[:13] + new_id()[13:]
    session.add(twin(session.get_one(Network, port.network_id), id=other, is_default=False))
    return "has the bridge"


def the_same_mac(session: Session, port: Port) -> str:
    operations = Operations(MigrationContext.configure(session.connection()))
    with operations.batch_alter_table("port") as table:
        table.drop_constraint("uq_port_mac", type_="unique")
    session.add(twin(port, address="10.77.0.200"))
    return "has the MAC"


@pytest.mark.parametrize(
    "claim",
    [
        the_same_address_in_a_second_subnet,
        the_address_of_the_gateway,
        the_same_tap,
        the_same_bridge,
        the_same_mac,
    ],
)
def test_what_is_claimed_twice_is_named(
    rooms: Database, claim: Callable[[Session, Port], str]
) -> None:
    with rooms.transaction() as session:
        assert addresses.check(session) == []
        words = claim(session, session.scalars(select(Port)).one())
        session.flush()
        found = addresses.check(session)
    assert [each.invariant for each in found] == ["I7"]
    assert found[0].words.startswith(words)
