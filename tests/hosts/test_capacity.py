"""Room on a host is claimed by one conditional UPDATE and never promised twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.databases import KINDS, Servers, with_every_table
from tests.support.rooms import add_host, fresh_database
from webcloud.db import Database
from webcloud.hosts import capacity, queries
from webcloud.hosts.capacity import GIB
from webcloud.hosts.models import Host


@pytest.fixture(params=KINDS)
def any_database(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path
) -> Iterator[Database]:
    """A database with every table, of each kind in turn."""
    kind = request.param
    url = f"sqlite:///{tmp_path / 'rooms.db'}" if kind == "sqlite" else servers.url(kind)
    with with_every_table(url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("vcpus", "memory_mb", "disk_gb", "fits"),
    [(64, 8192, 100, True), (65, 1, 1, False), (1, 8193, 1, False), (1, 1, 101, False)],
)
def test_a_claim_fits_up_to_the_last_unit(
    tmp_path: Path, vcpus: int, memory_mb: int, disk_gb: int, fits: bool
) -> None:
    with fresh_database(tmp_path).transaction() as session:
        host = add_host(session)
        assert capacity.claim(session, host.id, vcpus, memory_mb, disk_gb) is fits


def test_a_disabled_host_gives_no_room(tmp_path: Path) -> None:
    with fresh_database(tmp_path).transaction() as session:
        host = add_host(session, enabled=False)
        assert not capacity.claim(session, host.id, 1, 1, 1)


def test_fifty_claims_at_once_never_promise_the_same_room(tmp_path: Path) -> None:
    database = fresh_database(tmp_path)
    with database.transaction() as session:
        host_id = add_host(session).id

    def claim(_number: int) -> bool:
        with database.transaction() as session:
            return capacity.claim(session, host_id, 1, 1024, 1)

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(claim, range(50))) == 8
    with database.reading() as session:
        assert queries.get(session, host_id).allocated_memory_mb == 8192


def test_room_that_is_released_can_be_claimed_again(tmp_path: Path) -> None:
    database = fresh_database(tmp_path)
    with database.transaction() as session:
        host_id = add_host(session).id
        assert capacity.claim(session, host_id, 4, 8192, 100)
        capacity.release(session, host_id, 4, 8192, 100)
    with database.reading() as session:
        host = session.get_one(Host, host_id)
        assert (host.allocated_vcpus, host.allocated_memory_mb, host.allocated_disk_gb) == (0, 0, 0)


def test_a_disk_of_terabytes_is_counted_on_every_database(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = add_host(session, disk_total=20 * 1024**4)
        assert capacity.claim(session, host.id, 1, 1, 20 * 1024)
        assert not capacity.claim(session, host.id, 1, 1, 1)


REALLY_FREE = [  # GB in all, GB free, the host's own ratio, GB wanted, whether it fits
    (100, 40, None, 40, True),
    (100, 40, None, 41, False),  # Promised to nobody, but filled by something else.
    (100, 40, 2.0, 80, True),
    (100, 40, 2.0, 81, False),
    (100, 40, 0.5, 40, True),  # The ratio keeps back a share of the whole, not of the rest.
    (100, 5, None, 5, True),
    (100, 4.9, None, 1, False),
    (1000, 5, None, 5, True),
    (1000, 4.9, 100.0, 1, False),
    (20, 1, None, 1, True),
    (20, 0.9, 100.0, 1, False),
    (100, 0, None, 0, True),
]


def test_no_more_is_promised_than_is_really_free(any_database: Database) -> None:
    with any_database.transaction() as session:
        for number, (total, free, ratio, wanted, fits) in enumerate(REALLY_FREE):
            sizes = {"disk_total": total * GIB, "disk_free": int(free * GIB)}
            host = add_host(session, f"really-{number}", disk_ratio=ratio, **sizes)
            case = (total, free, ratio, wanted)
            assert (wanted <= capacity.room_of(host)[1].disk_gb) is fits, case
            assert capacity.claim(session, host.id, 1, 1, wanted) is fits, case
