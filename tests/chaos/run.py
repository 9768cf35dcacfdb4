"""One run from the first host to the verdict.

Load and injuries, then quiet: every frozen part goes on, every cut is mended,
what was accepted must end within a minute.  Then ``verify`` and the ledger,
then everything is deleted and nothing may be left.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.chaos import ledger
from tests.chaos.cloud import ChaosCloud
from tests.chaos.ledger import Event
from tests.chaos.report import Outcome
from tests.chaos.takeover import Takeovers
from tests.chaos.victims import Victims
from tests.chaos.workload import Workload
from tests.support.stock_api import wait_for
from webcloud.admin import verify

BACK_SECONDS, SETTLE_SECONDS, CARE_SECONDS = 120, 120, 0.1
# A guest that went with its host's power is described to libvirt again in this time.
HEAL_SECONDS, LOOK_AGAIN_SECONDS = 90, 2
TRIES = 10


@dataclass(frozen=True)
class Options:
    """It ends after ``minutes`` or ``kills``, whichever comes first.

    Whoever asks for kills and for no minutes gets the kills, however long it takes.
    """

    minutes: float = 3.0
    kills: int = 1_000_000
    seed: int = 1
    database: str = "sqlite"
    hosts: int = 20
    rate: float = 3.0
    shortest: float = 0.5
    longest: float = 3.0


def chosen(given: dict[str, Any]) -> Options:
    """What was asked for; None where nothing was."""
    asked = {name: value for name, value in given.items() if value is not None}
    if "kills" in asked:
        asked.setdefault("minutes", math.inf)
    return Options(**asked)


class Chaos:
    """``run`` may be called once; ``end`` stops every process it started."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.events: list[Event] = []
        self._noting = threading.Lock()
        self.cloud = ChaosCloud(options.hosts, options.database, self._note)

    def run(self) -> Outcome:
        """What was sent, hurt and done is kept in the cloud's folder however it ends."""
        started = time.monotonic()
        options, cloud = self.options, self.cloud
        cloud.start()
        takeovers = Takeovers(cloud.database)
        victims = Victims(
            cloud,
            random.Random(options.seed),
            lambda victim, kind: (
                takeovers.struck(killed=kind == "kill") if victim == "controller" else None
            ),
        )
        workload = Workload(cloud, random.Random(options.seed + 1), options.rate, options.hosts * 3)
        workload.start()
        try:
            settled, problems = self._hurt_and_settle(victims, workload)
        finally:
            self._keep("injuries.jsonl", [asdict(each) for each in victims.injuries])
            self._keep("events.jsonl", [asdict(each) for each in self.events])
            workload.save(cloud.base / "requests.jsonl")
        takeovers.finish()
        with cloud.database.reading() as session:
            operations, instances = ledger.read(session)
        verdict = ledger.judge(workload.sent, operations, instances, self.events)
        verdict.left_over += ledger.left_over(cloud)
        return Outcome(
            options.seed,
            options.database,
            options.hosts,
            victims.injuries,
            verdict,
            takeovers.seconds,
            settled,
            time.monotonic() - started,
            problems,
            takeovers.interrupted,
        )

    def _hurt_and_settle(self, victims: Victims, workload: Workload) -> tuple[float, list[str]]:
        """The seconds until all had ended, and what ``verify`` found then and after deleting."""
        try:
            self._hurt(victims)
        finally:
            victims.heal()
            quiet = time.monotonic()
            workload.stop()
        wait_for(self.cloud.answering, BACK_SECONDS, "a part did not come back")
        settled = self._settle(quiet)
        problems = self._problems()
        workload.delete_all()
        self._settle(time.monotonic())
        return settled, problems + self._problems()

    def end(self) -> None:
        self.cloud.end()

    def _hurt(self, victims: Victims) -> None:
        options = self.options
        pauses = random.Random(options.seed + 2)
        until = time.monotonic() + options.minutes * 60
        while time.monotonic() < until and victims.kills < options.kills:
            # Mostly short pauses, some long ones.
            pause = pauses.triangular(options.shortest, options.longest, options.shortest)
            next_strike = time.monotonic() + pause
            while time.monotonic() < next_strike:
                time.sleep(CARE_SECONDS)
                victims.care()
            # Who is drawn may be down or unwell already; somebody else is not.
            any(victims.strike() for _ in range(TRIES))

    def _settle(self, since: float) -> float:
        """Wait until every operation has ended; the seconds that took."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            with self.cloud.database.reading() as session:
                if ledger.unfinished(session) == 0:
                    break
            time.sleep(0.2)
        return time.monotonic() - since

    def _problems(self) -> list[str]:
        """What ``verify`` finds, once what can heal by itself has had the time to."""
        deadline = time.monotonic() + HEAL_SECONDS
        while True:
            found = verify.run(self.cloud.database, self.cloud.image_dir)
            if not found or time.monotonic() > deadline:
                return [str(each) for each in found]
            time.sleep(LOOK_AGAIN_SECONDS)

    def _note(self, host: str, what: str, instance_id: str) -> None:
        with self._noting:
            self.events.append(Event(time.time(), host, what, instance_id))

    def _keep(self, name: str, rows: list[dict[str, object]]) -> None:
        path: Path = self.cloud.base / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
