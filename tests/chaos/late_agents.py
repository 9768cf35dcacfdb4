"""Agents that are frozen while they build, and go on after their work was taken back.

In each round every agent gets instances to create, is frozen a moment later,
and meanwhile all of them are deleted: the commands are withdrawn and newer
ones wait.  When the agents go on, nothing of the old may be there in the end,
and no guest may begin to run after its delete has removed it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time

from sqlalchemy import select

from tests.chaos import ledger
from tests.chaos.cloud import ChaosCloud
from tests.chaos.ledger import Event
from tests.chaos.victims import family
from tests.support.stock_api import wait_for
from webcloud.admin import verify
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.supervising.takeover import PidFile

EACH_HOST = 4


def trials(wanted: int, hosts: int, seed: int = 1) -> tuple[int, list[str]]:
    """How many instances were taken back from a frozen agent, and what went wrong."""
    events: list[Event] = []
    lock = threading.Lock()

    def note(host: str, what: str, instance_id: str) -> None:
        with lock:
            events.append(Event(time.time(), host, what, instance_id))

    cloud = ChaosCloud(hosts, "sqlite", note)
    rng = random.Random(seed)
    done: list[str] = []
    try:
        cloud.start()
        while len(done) < wanted:
            done += _round(cloud, rng, len(done))
        found = [str(each) for each in verify.run(cloud.database, cloud.image_dir)]
        found += ledger.left_over(cloud) + _too_late(cloud, events)
        return len(done), found
    finally:
        cloud.end()
        cloud.remove()


def _round(cloud: ChaosCloud, rng: random.Random, number: int) -> list[str]:
    names = [f"late-{number + index}" for index in range(len(cloud.hosts) * EACH_HOST)]
    ids = [cloud.api.create(name, cloud.image_id) for name in names]
    time.sleep(rng.uniform(0, 0.5))
    pids = _agents(cloud)
    _send(pids, signal.SIGSTOP)
    try:
        for instance_id in ids:
            cloud.api.delete(instance_id)
        # Each delete waits for an agent that says nothing, its create was taken back.
        time.sleep(2)
    finally:
        _send(pids, signal.SIGCONT)
    wait_for(lambda: not _living(cloud), 120, "a delete does not end")
    return ids


def _living(cloud: ChaosCloud) -> bool:
    with cloud.database.reading() as session:
        return ledger.unfinished(session) > 0


def _too_late(cloud: ChaosCloud, events: list[Event]) -> list[str]:
    """Guests that began to run after the delete had removed their domain."""
    with cloud.database.reading() as session:
        removed = session.execute(
            select(OperationRow.subject_id, OperationEvent.at)
            .join(OperationEvent, OperationEvent.operation_id == OperationRow.id)
            .where(
                OperationRow.kind == "instance.delete",
                OperationEvent.step == "remove_domain",
                OperationEvent.event == "done",
            )
        )
        gone = {row.subject_id: row.at.timestamp() for row in removed}
    return [
        f"{event.instance_id} ran on {event.host} after it was removed"
        for event in events
        if event.what == "runs" and event.at > gone.get(event.instance_id, float("inf"))
    ]


def _agents(cloud: ChaosCloud) -> list[int]:
    files = [path for part, path in cloud.pid_files().items() if part.startswith("agent")]
    return family([pid for path in files for pid in PidFile(path).members()])


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        # A program that the agent ran for a moment may have ended.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
