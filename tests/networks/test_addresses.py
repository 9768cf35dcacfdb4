"""Addresses are the lowest free ones, never two alike, and come back when released."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.support.rooms import add_project, fresh_database
from webcloud.db import Database, new_id
from webcloud.errors import BadRequest, Conflict
from webcloud.identity.models import QuotaUsage
from webcloud.networks import addresses, queries, service
from webcloud.networks.models import Network, Port


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = fresh_database(tmp_path)
    with database.transaction() as session:
        project = add_project(session)
        service.ensure_default(session, project.id, "10.9.8.0/28")
    return database


def port(session: Session, address: str | None = None) -> Port:
    network = session.scalars(select(Network)).one()
    return service.create_port(session, network, network.project_id, new_id(), address=address)


def test_the_default_network_is_made_once(database: Database) -> None:
    with database.transaction() as session:
        first = service.ensure_default(session, "other", "10.1.1.0/24")
        assert first is session.scalars(select(Network)).one()


def test_addresses_are_handed_out_from_the_lowest(database: Database) -> None:
    with database.transaction() as session:
        assert [port(session).address for _ in range(2)] == ["10.9.8.10", "10.9.8.11"]


def test_the_last_address_is_followed_by_a_clear_refusal(database: Database) -> None:
    with database.transaction() as session:
        assert [port(session).address for _ in range(5)][-1] == "10.9.8.14"
        with pytest.raises(Conflict, match="all in use"):
            port(session)


def test_parallel_claims_get_different_addresses(database: Database) -> None:
    def one(_number: int) -> str:
        with database.transaction() as session:
            return port(session).address

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(one, range(5)))) == 5


def test_a_wanted_address_is_given_when_free(database: Database) -> None:
    with database.transaction() as session:
        assert port(session, "10.9.8.13").address == "10.9.8.13"
        with pytest.raises(Conflict, match="is in use"):
            port(session, "10.9.8.13")
        for outside in ("10.9.8.1", "10.9.9.13", "fd00::1"):
            with pytest.raises(BadRequest, match="is outside"):
                port(session, outside)


def test_macs_are_locally_administered_and_differ(database: Database) -> None:
    with database.transaction() as session:
        macs = {port(session).mac for _ in range(5)}
    assert len(macs) == 5
    assert all(mac.startswith("fa:16:3e:") for mac in macs)


def test_a_mac_that_another_port_has_is_drawn_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = [b"\x00\x00\x01", b"\x00\x00\x01", b"\x00\x00\x01", b"\x00\x00\x02"]
    monkeypatch.setattr(addresses.secrets, "token_bytes", lambda _length: drawn.pop(0))
    with database.transaction() as session:
        assert [port(session).mac for _ in range(2)] == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02"]
    assert drawn == []


def test_removed_ports_give_back_their_address_and_leave_the_quota_to_the_caller(
    database: Database,
) -> None:
    with database.transaction() as session:
        gone = port(session)
        owner = gone.instance_id or ""
        assert len(queries.ports_of_instances(session, [owner])[owner]) == 1
        service.remove_ports(session, owner)
        assert len(queries.ports_of_instances(session, [owner])[owner]) == 0
        assert port(session).address == "10.9.8.10"
        assert session.scalars(select(QuotaUsage.used)).one() == 2
