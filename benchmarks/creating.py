"""Instances created per second, from the first request to the last that is ACTIVE.

One controller, 100 simulated hosts, several clients that each ask for the next
instance as soon as their last request has been answered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from benchmarks.figure import Figure
from benchmarks.fleet import PASSWORD, Fleet, cpu_seconds, wait
from tests.support.stock_api import StockApi
from webcloud.instances.models import Instance

HOSTS, CLIENTS, CREATES = 100, 4, 300


def measure() -> Iterator[Figure]:
    with Fleet(HOSTS) as fleet:
        StockApi(fleet.url, PASSWORD).create("first", fleet.image_id)
        wait(lambda: built(fleet) == 1, 60)
        before, began = cpu_seconds(fleet.pids), time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda client: _create(fleet, client), range(CLIENTS)))
        accepted = time.monotonic() - began
        wait(lambda: built(fleet) == CREATES + 1, 180)
        seconds = time.monotonic() - began
        used = cpu_seconds(fleet.pids) - before
    yield Figure(
        "creates_per_second",
        f"creates to ACTIVE, {HOSTS} hosts",
        CREATES / seconds,
        "/s",
        10,
        "0.87-1.65/s alone, 0.5-0.7/s sixteen at once",
        at_least=True,
        detail=f"{CREATES} accepted in {accepted:.1f} s; {1000 * used / CREATES:.0f} ms "
        "of processor each",
    )


def built(fleet: Fleet) -> int:
    with fleet.database.reading() as session:
        return session.scalar(select(func.count()).where(Instance.built.is_(True))) or 0


def _create(fleet: Fleet, client: int) -> None:
    api = StockApi(fleet.url, PASSWORD)
    for number in range(CREATES // CLIENTS):
        api.create(f"bench{client}x{number}", fleet.image_id)
