"""What a drain is said to do: each move counts for those after it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tests.instances.test_draining import copy_of
from tests.instances.test_moving import Two, rooms, two
from tests.support.rooms import add_host
from webcloud.db import new_id, now
from webcloud.hosts.models import Host
from webcloud.instances import moving
from webcloud.instances.models import Instance, ServerGroup

__all__ = ["rooms", "two"]


def with_room(session: Session, two: Two) -> tuple[Instance, Host]:
    """The instance, and n2 with room for many; n3 has half of that, so that it comes second."""
    instance = session.get_one(Instance, two.instance_id)
    roomy = session.get_one(Host, two.hosts.target_id)
    roomy.memory_mb = 64 * instance.memory_mb
    host = add_host(session, "n3", memory_mb=roomy.memory_mb // 2)
    for name in ("architecture", "hypervisor", "wire_version", "vcpus", "disk_total", "disk_free"):
        setattr(host, name, getattr(roomy, name))
    return instance, roomy


def planned(two: Two) -> dict[str, str]:
    """Where each instance would go, by name."""
    with two.database.reading() as session:
        host = session.get_one(Host, two.hosts.source_id)
        moves = moving.plan(session, host)
        return {each.instance.name: each.target.name if each.target else each.why for each in moves}


def test_a_planned_member_of_a_server_group_counts_where_it_would_be(two: Two) -> None:
    with two.database.transaction() as session:
        db1, roomy = with_room(session, two)
        group = ServerGroup(
            id=new_id(),
            project_id=db1.project_id,
            user_id=db1.user_id,
            name="pairs",
            policy="anti-affinity",
            most_per_host=2,
            created_at=now(),
        )
        session.add(group)
        session.flush()
        db1.server_group_id = group.id
        session.add(copy_of(db1, "db2"))
        there = copy_of(db1, "db3")
        there.host_id = roomy.id
        session.add(there)
    assert planned(two) == {"db1": "n2", "db2": "n3"}


def test_an_instance_that_must_be_elsewhere_than_a_planned_one_goes_elsewhere(two: Two) -> None:
    with two.database.transaction() as session:
        db1, _ = with_room(session, two)
        apart = copy_of(db1, "web1")
        apart.wishes = {"different_host": [db1.id]}
        session.add(apart)
    assert planned(two) == {"db1": "n2", "web1": "n3"}
