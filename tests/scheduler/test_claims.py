"""Fifty threads place instances on hosts that are nearly full, on each database.

Whatever the order, no host promises more than it has, and everything that
fits is placed: a lost claim goes on to the next host.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import select

from tests.support.rooms import add_host, add_project
from webcloud.db import Database, new_id, now
from webcloud.errors import Unavailable
from webcloud.hosts import capacity
from webcloud.hosts.models import Host
from webcloud.instances import placing
from webcloud.instances.models import Instance, Placement, ServerGroup

THREADS = 50
HOSTS = 6
PER_HOST = 4  # instances that fit on one


def instances(database: Database, count: int, **columns: object) -> list[str]:
    """Ids of new instances of 1 vCPU, 1 GiB and 10 GiB, on no host yet."""
    with database.transaction() as session:
        project = add_project(session)
        image_id, moment = new_id(), now()
        rows = [
            Instance(
                id=new_id(),
                name=f"vm-{number}",
                hostname="vm",
                project_id=project.id,
                user_id=new_id(),
                image_id=image_id,
                flavor_id="1",
                flavor_name="f",
                vcpus=1,
                memory_mb=1024,
                disk_gb=10,
                created_at=moment,
                updated_at=moment,
                **columns,
            )
            for number in range(count)
        ]
        session.add_all(rows)
        return [row.id for row in rows]


def place(database: Database, instance_id: str) -> None:
    """As the step does; a deadlock or a lock that lasts is tried again, as by the conductor."""
    while True:
        try:
            with database.transaction() as session:
                placing.place(session, session.get_one(Instance, instance_id), at=now())
            return
        except Unavailable:
            continue


def together(database: Database, ids: list[str], work: Callable[[Database, str], None]) -> None:
    """Each id in a thread of its own, all beginning at once; raises what any of them raised."""
    start = threading.Barrier(len(ids))
    raised: list[BaseException] = []

    def one(instance_id: str) -> None:
        try:
            start.wait(30)
            work(database, instance_id)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(each,)) for each in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not raised, raised
    assert not any(thread.is_alive() for thread in threads)


def test_fifty_creates_at_once_never_overcommit_and_leave_no_room_unused(
    database: Database,
) -> None:
    with database.transaction() as session:
        for number in range(HOSTS):
            add_host(session, f"n{number}", vcpus=1, memory_mb=PER_HOST * 1024, joined_at=now())
    ids = instances(database, THREADS)
    together(database, ids, place)
    with database.reading() as session:
        hosts = list(session.scalars(select(Host)))
        placed = [host_id for host_id in session.scalars(select(Instance.host_id)) if host_id]
        for host in hosts:
            assert host.allocated_memory_mb == PER_HOST * 1024
            assert host.allocated_vcpus == placed.count(host.id) == PER_HOST
        kept = list(session.scalars(select(Placement)))
    assert len(placed) == HOSTS * PER_HOST
    assert len(kept) == THREADS
    assert all(sum((row.counts or {}).values()) == HOSTS for row in kept)


def test_a_claim_that_is_lost_goes_on_to_the_next_host_and_is_kept(database: Database) -> None:
    with database.transaction() as session:
        best = add_host(session, "n1", memory_mb=8192).id
        next_best = add_host(session, "n2", memory_mb=4096, allocated_memory_mb=2048).id
    first, second = instances(database, 2)
    with database.reading() as session:
        request = placing.request_for(session, session.get_one(Instance, first))
        decision = placing.decide(session, request)
    assert decision.ranking == (best, next_best)
    with database.transaction() as session:
        assert capacity.claim(session, best, 1, 8192, 1)
    with database.transaction() as session:
        after = placing.claim(session, session.get_one(Instance, first), decision)
        assert session.get_one(Instance, first).host_id == next_best
    assert after.ranking == (next_best,)
    assert [verdict.filter for verdict in after.verdicts] == ["", "claim"]
    with database.transaction() as session:
        assert capacity.claim(session, next_best, 1, 1024, 1)
    with database.transaction() as session:
        none = placing.claim(session, session.get_one(Instance, second), decision)
        assert session.get_one(Instance, second).host_id is None
    assert none.why_none == "The last room was taken by other instances a moment ago."


@pytest.mark.parametrize(("rule", "placed"), [(None, HOSTS), (3, 3 * HOSTS)])
def test_an_anti_affinity_group_never_shares_a_host_whoever_is_first(
    database: Database, rule: int | None, placed: int
) -> None:
    with database.transaction() as session:
        for number in range(HOSTS):
            add_host(session, f"n{number}", memory_mb=64 * 1024)
    group_id = group(database, "anti-affinity", rule)
    together(database, instances(database, 24, server_group_id=group_id), place)
    with database.reading() as session:
        counted = Counter(each for each in session.scalars(select(Instance.host_id)) if each)
    assert set(counted.values()) == {rule or 1}
    assert counted.total() == placed


def test_an_affinity_group_is_on_one_host_whoever_is_first(database: Database) -> None:
    with database.transaction() as session:
        for number in range(HOSTS):
            add_host(session, f"n{number}", memory_mb=10 * 1024)
    group_id = group(database, "affinity", None)
    together(database, instances(database, 12, server_group_id=group_id), place)
    with database.reading() as session:
        counted = Counter(each for each in session.scalars(select(Instance.host_id)) if each)
    assert list(counted.values()) == [10]


def group(database: Database, policy: str, most_per_host: int | None) -> str:
    with database.transaction() as session:
        made = ServerGroup(
            id=new_id(),
            project_id=new_id(),
            user_id=new_id(),
            name="g",
            policy=policy,
            most_per_host=most_per_host,
            created_at=now(),
        )
        session.add(made)
        return made.id
