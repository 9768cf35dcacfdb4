"""An instance may have no network card at all."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from sqlalchemy.orm import Session

from tests.instances.played import HostSide, consistent, furnish
from tests.support.operations import Scenario, drive
from tests.support.rooms import fresh_database
from webcloud.conductor import queries
from webcloud.instances import service
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Instance


def test_an_instance_without_a_network_is_built_and_deleted(app: Flask, tmp_path: Path) -> None:
    database = fresh_database(tmp_path)
    caller, image_id = furnish(database)
    host = HostSide(database)
    ids: list[str] = []

    def create() -> str:
        with database.transaction() as session:
            form = NewInstance(name="db1", image_id=image_id, flavor_id="1", network_ids=())
            (instance,) = service.create(session, caller, form)
            ids.append(instance.id)
            operation = queries.active_operation(session, "instance", instance.id)
            assert operation is not None
            return operation.id

    def delete() -> str:
        with database.transaction() as session:
            return service.delete(session, caller, session.get_one(Instance, ids[0]))

    def runs(session: Session) -> None:
        consistent(session)
        assert host.held == {"image", "disk", "config_drive", "domain", "running"}

    def gone(session: Session) -> None:
        consistent(session)
        assert host.held == {"image"}

    drive(database, Scenario(create, runs, consistent, between_rounds=host))
    with database.reading() as session:
        runs(session)
    drive(database, Scenario(delete, gone, consistent, between_rounds=host))
    with database.reading() as session:
        gone(session)
