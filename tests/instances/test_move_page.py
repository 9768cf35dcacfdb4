"""An operator moves an instance from its page, after reading what that would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.instances.played import furnish
from tests.support import pages
from tests.support.people import Person, log_in
from tests.support.rooms import add_host
from webcloud.conductor import queries as operations
from webcloud.db import Database, now
from webcloud.hosts import presence
from webcloud.hosts.models import Host
from webcloud.instances import flavors
from webcloud.instances.models import Instance


@pytest.fixture(autouse=True)
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts stay alive as long as a test may take on a busy machine."""
    monkeypatch.setattr(presence, "SILENT_AFTER", timedelta(minutes=3))


@pytest.fixture
def instance_id(database: Database, admin: Person) -> str:
    """A running instance on n1; n2 is there, too."""
    caller, image_id = furnish(database)
    with database.transaction() as session:
        flavor = flavors.get_flavor(session, caller, "1")
        host = session.scalars(select(Host)).one()
        add_host(session, "n2")
        moment = now()
        instance = Instance(
            id="5d8a1e0e-7a52-4c6f-9c1f-000000000001",
            name="db1",
            hostname="db1",
            project_id=caller.project_id,
            user_id=caller.user_id,
            image_id=image_id,
            flavor_id=flavor.id,
            flavor_name=flavor.name,
            vcpus=flavor.vcpus,
            memory_mb=flavor.memory_mb,
            disk_gb=flavor.disk_gb,
            host_id=host.id,
            observed_power="running",
            boot=1,
            built=True,
            created_at=moment,
            updated_at=moment,
        )
        session.add(instance)
        return instance.id


@pytest.fixture
def browser(app: Flask, instance_id: str) -> FlaskClient:
    client = app.test_client()
    client.token = log_in(client, "admin")  # type: ignore[attr-defined]
    return client


def token(browser: FlaskClient) -> str:
    return str(browser.token)  # type: ignore[attr-defined]


def host(database: Database, name: str) -> Host:
    with database.reading() as session:
        return session.scalars(select(Host).where(Host.name == name)).one()


def test_the_page_says_what_it_does_and_where_to_and_changes_nothing(
    browser: FlaskClient, instance_id: str, database: Database
) -> None:
    assert (
        f'href="/instances/{instance_id}/move"'
        in pages.get(browser, f"/instances/{instance_id}").text
    )
    text = pages.get(browser, f"/instances/{instance_id}/move").text
    assert "started again on the other host" in text
    assert "now n2" in text
    assert f'value="{host(database, "n2").id}"' in text
    assert f'value="{host(database, "n1").id}"' not in text
    with database.reading() as session:
        assert operations.active_operation(session, "instance", instance_id) is None


@pytest.mark.parametrize("named", [False, True])
def test_the_button_begins_the_move(
    browser: FlaskClient, instance_id: str, database: Database, named: bool
) -> None:
    target = host(database, "n2").id if named else ""
    path = f"/instances/{instance_id}/move"
    answer = pages.send(browser, path, token(browser), host_id=target)
    assert (answer.status_code, answer.location) == (303, f"/instances/{instance_id}")
    with database.reading() as session:
        row = operations.active_operation(session, "instance", instance_id)
        assert row is not None and row.kind == "instance.move"
        assert row.params["target_host_id"] == (target or None)
    assert "Another operation is under way." in pages.get(browser, f"/instances/{instance_id}").text


def test_what_cannot_be_is_said_on_the_page_again(
    browser: FlaskClient, instance_id: str, database: Database
) -> None:
    with database.transaction() as session:
        session.scalars(select(Host).where(Host.name == "n2")).one().memory_mb = 1
    path = f"/instances/{instance_id}/move"
    text = pages.get(browser, path).text
    assert "No other host can take it" in text and "n2" in text
    answer = pages.send(browser, path, token(browser), host_id=host(database, "n2").id)
    assert answer.status_code == 409
    assert "No other host can take it" in answer.text
    assert "Không máy chủ nào khác" in pages.get(browser, path, language="vi").text


def test_only_operators_see_it(app: Flask, instance_id: str, member: Person) -> None:
    client = app.test_client()
    log_in(client, "mai")
    assert pages.get(client, f"/instances/{instance_id}/move").status_code == 403
