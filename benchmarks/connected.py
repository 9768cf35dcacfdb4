"""What 500 connected agents cost a controller, and how soon they are back after its death.

Memory is PSS of the controller's processes; idle is the processor time they
take while nobody asks for anything.  Then operations are accepted, the
controller is killed with -9 and started again: how long until every agent has
asked for commands again, and whether what was accepted was carried out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import func, select

from benchmarks.figure import Figure
from benchmarks.fleet import PASSWORD, Fleet, cpu_seconds, pss_mb, wait
from tests.support.stock_api import StockApi
from webcloud.conductor.models import OperationRow
from webcloud.instances.models import Instance

# The first minute after all connected is still told of, and then nothing happens.
AGENTS, SETTLE, IDLE, ACCEPTED = 500, 60, 60, 50


def measure() -> Iterator[Figure]:
    with Fleet(AGENTS) as fleet:
        time.sleep(SETTLE)
        memory = pss_mb(fleet.pids)
        before, began = cpu_seconds(fleet.pids), time.monotonic()
        time.sleep(IDLE)
        idle = 100 * (cpu_seconds(fleet.pids) - before) / (time.monotonic() - began)
        yield Figure("connected_memory", f"controller with {AGENTS} agents", memory, "MB", 250)
        yield Figure("connected_idle", f"idle with {AGENTS} agents, of a core", idle, "%", 5)
        yield from _storm(fleet)


def _storm(fleet: Fleet) -> Iterator[Figure]:
    api = StockApi(fleet.url, PASSWORD)
    names = [f"storm{number}" for number in range(ACCEPTED)]
    ids = [api.create(name, fleet.image_id) for name in names]
    fleet.kill_controller()
    killed = time.monotonic()
    fleet.start_controller()
    seconds = wait(lambda: fleet.asked(killed)["heard"] == AGENTS, 120)
    wait(lambda: _unfinished(fleet) == 0, 120)
    with fleet.database.reading() as session:
        built = session.scalar(
            select(func.count()).where(Instance.id.in_(ids), Instance.built.is_(True))
        )
    yield Figure(
        "reconnect_storm",
        f"until {AGENTS} agents are back after kill -9",
        seconds,
        "s",
        15,
        detail=f"{built} of {ACCEPTED} accepted creates were carried out",
    )
    yield Figure("storm_lost", "accepted operations lost by it", ACCEPTED - (built or 0), "", 0)


def _unfinished(fleet: Fleet) -> int:
    with fleet.database.reading() as session:
        return session.scalar(select(func.count()).where(OperationRow.finished_at.is_(None))) or 0
