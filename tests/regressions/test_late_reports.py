"""A host's late word on a guest that is being deleted."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.instances.played import consistent, existing
from tests.support.operations import Scenario, drive
from tests.support.rooms import fresh_database
from webcloud.instances import service
from webcloud.instances.models import Instance


def test_a_deleted_instance_is_not_left_as_running_by_a_late_report(
    app: Flask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = fresh_database(tmp_path_factory.mktemp("rooms"))
    caller, instance_id, host = existing(database, "running")

    def delete() -> str:
        with database.transaction() as session:
            return service.delete(session, caller, session.get_one(Instance, instance_id))

    def host_with_late_words() -> None:
        host()
        with database.transaction() as session:
            instance = session.get_one(Instance, instance_id)
            if instance.deleted_at is None:
                instance.observed_power = "running"

    drive(database, Scenario(delete, consistent, consistent, between_rounds=host_with_late_words))
    with database.reading() as session:
        instance = session.get_one(Instance, instance_id)
        assert instance.deleted_at is not None
        assert instance.observed_power == "absent"
