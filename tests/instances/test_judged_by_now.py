"""What was read a moment ago has changed meanwhile: the request goes by what there is now."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from tests.instances.played import accept, furnish
from tests.instances.test_moving import Two, rooms, slow_clock, two
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.errors import NotFound
from webcloud.hosts.models import Host
from webcloud.instances import moving, service
from webcloud.instances.models import Instance

__all__ = ["rooms", "slow_clock", "two"]

UNNOTICED = {"synchronize_session": False}


def test_a_move_begins_where_the_instance_is_not_where_it_was_when_it_was_read(two: Two) -> None:
    with two.database.transaction() as session:
        instance = session.get_one(Instance, two.instance_id)
        # Another move has ended meanwhile.
        there = {"host_id": two.hosts.target_id, "boot": instance.boot + 5}
        session.execute(
            update(Instance), [{"id": instance.id, **there}], execution_options=UNNOTICED
        )
        session.execute(update(Host).values(last_seen_at=now()), execution_options=UNNOTICED)
        operation_id = moving.begin(session, two.operator, instance)
        given = session.get_one(OperationRow, operation_id).params
    assert (given["source_host_id"], given["boot"]) == (there["host_id"], there["boot"])


def test_a_rename_that_another_request_has_done_already_changes_nothing(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)
    with rooms.transaction() as session:
        instance = session.get_one(Instance, instance_id)
        session.execute(update(Instance).values(name="db2"), execution_options=UNNOTICED)
        service.rename(session, caller, instance, name="db2")
        session.execute(update(Instance).values(deleted_at=now()), execution_options=UNNOTICED)
        with pytest.raises(NotFound):
            service.rename(session, caller, instance, name="db3")
