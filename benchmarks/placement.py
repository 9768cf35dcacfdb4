"""How long placing one instance takes among a thousand hosts, on SQLite.

Everything that a step does but the engine around it: reading the hosts with
their aggregates, every filter and weigher for a request with a zone and a
server group, the claim, and keeping why.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from webcloud import models
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Aggregate, AggregateHost, Host
from webcloud.instances import placing
from webcloud.instances.models import Instance, ServerGroup

HOSTS = 1000
ROUNDS = 5
TIMES = 8  # in each


def measure() -> Iterator[Figure]:
    """The best of ROUNDS: whatever else the machine does can only add to it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        database = Database(f"sqlite:///{directory}/webcloud.db")
        models.metadata.create_all(database.engine)
        ids = furnish(database)
        took, processor, kept = [], 0.0, 0
        for instance_id in ids:
            before = time.thread_time()
            with database.transaction() as session:
                instance = session.get_one(Instance, instance_id)
                began = time.perf_counter()
                decision = placing.place(session, instance, at=now())
                session.flush()
                took.append((time.perf_counter() - began) * 1000)
                processor += (time.thread_time() - before) * 1000
            assert instance.host_id is not None
            kept = len(decision.kept())
        database.engine.dispose()
    rounds = [statistics.median(took[at : at + TIMES]) for at in range(0, len(took), TIMES)]
    yield Figure(
        "placement_1000_hosts",
        "placement among 1,000 hosts, median",
        min(rounds),
        "ms",
        20,
        detail=f"medians of {TIMES}: {', '.join(f'{each:.1f}' for each in rounds)}; "
        f"{processor / len(took):.1f} ms of processor each; "
        f"with zone and anti-affinity; {kept} hosts kept with each",
    )


def furnish(database: Database) -> list[str]:
    """A thousand hosts, most of them in a zone; ids of instances to be placed."""
    moment = now()
    with database.transaction() as session:
        zone = Aggregate(
            uuid=new_id(), name="z1", properties={"availability_zone": "z1"}, created_at=moment
        )
        group = ServerGroup(
            id=new_id(),
            project_id=new_id(),
            user_id=new_id(),
            name="g",
            policy="anti-affinity",
            created_at=moment,
        )
        session.add_all([zone, group])
        hosts = [_host(number) for number in range(HOSTS)]
        session.add_all(hosts)
        session.flush()
        session.add_all(
            AggregateHost(aggregate_id=zone.id, host_id=host.id)
            for host in hosts[: HOSTS * 9 // 10]
        )
        made = [_instance(number, group) for number in range(ROUNDS * TIMES)]
        session.add_all(made)
        return [instance.id for instance in made]


def _host(number: int) -> Host:
    return Host(
        id=new_id(),
        name=f"rack{number // 40:02}-host{number:04}",
        host_uuid=new_id(),
        credential_hash="0" * 64,
        joined_at=now(),
        last_seen_at=now(),
        enabled=number % 50 != 0,
        hypervisor="kvm",
        architecture="x86_64",
        vcpus=64,
        memory_mb=256 * 1024,
        disk_total=4000 * 1024**3,
        disk_free=4000 * 1024**3,
        allocated_memory_mb=(number * 7919) % (256 * 1024),
        cached_images=[new_id() for _ in range(20)],
    )


def _instance(number: int, group: ServerGroup) -> Instance:
    return Instance(
        id=new_id(),
        name=f"vm-{number}",
        hostname="vm",
        project_id=group.project_id,
        user_id=group.user_id,
        image_id=new_id(),
        flavor_id="1",
        flavor_name="small",
        vcpus=2,
        memory_mb=4096,
        disk_gb=20,
        server_group_id=group.id,
        wishes={"zone": "z1"},
        created_at=now(),
        updated_at=now(),
    )
