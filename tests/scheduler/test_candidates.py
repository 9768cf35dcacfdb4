"""Rows of hosts as candidates: overcommit, presence and cached images, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from agents.wire import WIRE_VERSION
from tests.support.rooms import add_host
from webcloud import models
from webcloud.config import Config
from webcloud.db import Database, new_id, now
from webcloud.errors import BadRequest
from webcloud.hosts import capacity, overcommit
from webcloud.hosts.models import Aggregate, AggregateHost
from webcloud.identity.callers import SYSTEM
from webcloud.scheduler import candidates
from webcloud.scheduler.request import Request

IMAGE = new_id()
REQUEST = Request(1, 128, 1, image_id=IMAGE)
GIB = 1024**3


@pytest.fixture
def settings() -> Iterator[Config]:
    """Settings of this test's own; the defaults come back."""
    yield Config(cpu_ratio=2.0, memory_ratio=1.5, disk_ratio=0.5)
    capacity.configure(Config())


def test_a_host_becomes_a_candidate_with_overcommit_applied(database: Database) -> None:
    with database.transaction() as session:
        allocated = {"allocated_vcpus": 3, "allocated_memory_mb": 1024, "allocated_disk_gb": 40}
        add_host(
            session,
            "n2",
            **{"vcpus": 2, "memory_mb": 4096, "disk_total": 100 * GIB, **allocated},
            architecture="x86_64",
            cached_images=[new_id(), IMAGE],
        )
        add_host(session, "n1", last_seen_at=now() - timedelta(seconds=20), enabled=False)
        add_host(session, "n3", last_seen_at=None)
        add_host(session, "n4", wire_version=WIRE_VERSION + 1)
    with database.reading() as session:
        silent, ready, new, later = candidates.read(session, REQUEST)
        (never, *_) = candidates.read(session, replace(REQUEST, image_id=""))
    assert (ready.free_vcpus, ready.free_memory_mb, ready.free_disk_gb) == (29, 3072, 60)
    assert (ready.total_memory_mb, ready.architecture, ready.hypervisor) == (
        *(4096, "x86_64"),
        "qemu",
    )
    assert (ready.alive, ready.enabled, ready.image_cached) == (True, True, True)
    assert (silent.alive, silent.enabled, silent.image_cached) == (False, False, False)
    assert (new.alive, later.alive, never.image_cached) == (False, False, False)


def test_a_host_comes_with_its_aggregates_and_its_zone_whatever_is_asked(
    database: Database,
) -> None:
    with database.transaction() as session:
        host = add_host(session)
        add_host(session, "n2")
        zoneless = add_host(session, "n3")
        for name, properties in (("a", {"disk": "ssd"}), ("b", {"availability_zone": "z1"})):
            made = Aggregate(uuid=new_id(), name=name, properties=properties, created_at=now())
            session.add(made)
            session.flush()
            session.add(AggregateHost(aggregate_id=made.id, host_id=host.id))
            if name == "a":
                session.add(AggregateHost(aggregate_id=made.id, host_id=zoneless.id))
    with database.reading() as session:
        for wish in ({}, {"zone": "z1"}, {"aggregate_specs": {"disk": "ssd"}}):
            inside, outside, without = candidates.read(session, replace(REQUEST, **wish))
            assert sorted(map(dict, inside.aggregates), key=str) == [
                {"availability_zone": "z1"},
                {"disk": "ssd"},
            ]
            assert (inside.zone, outside.zone, outside.aggregates) == ("z1", "nova", ())
            assert (without.zone, without.aggregates) == ("nova", ({"disk": "ssd"},))


def test_ratios_come_from_the_settings_unless_the_host_has_its_own(
    database: Database, settings: Config
) -> None:
    capacity.configure(settings)
    with database.transaction() as session:
        host = add_host(session, vcpus=4, memory_mb=1000, disk_total=11 * GIB)
        assert capacity.room_of(host)[0] == (8, 1500, 5)
        assert not capacity.claim(session, host.id, 9, 0, 0)
        assert not capacity.claim(session, host.id, 0, 1501, 0)
        assert not capacity.claim(session, host.id, 0, 0, 6)
        assert capacity.claim(session, host.id, 8, 1500, 5)
        session.refresh(host)
        overcommit.set_ratios(session, SYSTEM, host, cpu=2.25, memory=None, disk=1.0)
        assert capacity.ratios(host) == (2.25, 1.5, 1.0)
        session.flush()
        assert capacity.room_of(host) == ((9, 1500, 11), (1, 0, 6))
        assert not capacity.claim(session, host.id, 2, 0, 0)
        assert not capacity.claim(session, host.id, 0, 1, 0)
        assert capacity.claim(session, host.id, 1, 0, 6)
        (seen,) = candidates.read(session, REQUEST)
        assert (seen.free_vcpus, seen.free_memory_mb, seen.free_disk_gb) == (0, 0, 0)


@pytest.mark.parametrize("value", [-0.1, 1001.0, float("nan"), float("inf")])
def test_a_ratio_that_cannot_be_is_refused(value: float, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="memory_ratio must be a number from 0 to 1000"):
        overcommit.set_ratios(
            None,  # type: ignore[arg-type]
            SYSTEM,
            models.hosts.Host(),
            cpu=None,
            memory=value,
            disk=None,
        )


def test_reading_takes_one_statement_however_many_hosts_there_are(database: Database) -> None:
    with database.transaction() as session:
        for number in range(30):
            add_host(session, f"n{number}")
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with database.reading() as session:
        assert len(candidates.read(session, REQUEST)) == 30
    assert len([one for one in asked if "FROM host" in one]) == 1
