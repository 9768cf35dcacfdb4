"""Who is hurt, and how: killed, frozen past every lease and continued, or cut off.

Everything is drawn from one seed.  A part that is frozen or cut off is left
alone until it is well again; a killed one is started again by its supervisor.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cloud import ChaosCloud
from webcloud.supervising.takeover import PidFile

# How often each is drawn: (victim, kind) to weight. A controller takes seconds to start:
# were it killed as often as an agent, nobody would be served, and nothing would be at stake.
WEIGHTS = {
    ("agent", "kill"): 44,
    ("controller", "kill"): 6,
    ("proxy", "kill"): 10,
    ("libvirtd", "kill"): 10,
    ("host", "kill"): 8,
    ("database", "kill"): 4,
    ("agent", "freeze"): 5,
    ("libvirtd", "freeze"): 3,
    ("host", "freeze"): 3,
    ("proxy", "freeze"): 1,
    ("controller", "freeze"): 1,
    ("database", "freeze"): 1,
    ("agent", "cut"): 10,
}
# The same on SQLite, which has one controller and no server.
ALONE = {
    ("controller", "kill"): 3,
    ("database", "kill"): 0,
    ("database", "freeze"): 0,
}
# Seconds; a lease is ten, and a connection to libvirt is given up after twenty.
FROZEN = {"agent": (11, 24), "libvirtd": (11, 24), "host": (11, 24)}
FROZEN_ELSE = (11, 14)
CUT = (1, 25)


@dataclass(frozen=True)
class Injury:
    """``seconds`` is how long it was frozen or cut off; 0 for a kill."""

    at: float
    victim: str
    kind: str
    part: str
    seconds: float


class Victims:
    """``strike`` hurts one; ``heal`` ends every freeze and cut."""

    def __init__(
        self, cloud: ChaosCloud, rng: random.Random, on_strike: Callable[[str, str], None]
    ) -> None:
        self._cloud, self._rng, self._on_strike = cloud, rng, on_strike
        self._weights = dict(WEIGHTS)
        if not cloud.second_port:
            self._weights |= ALONE
        self._lock = threading.Lock()
        self._unwell: dict[str, tuple[float, Callable[[], None]]] = {}
        self.injuries: list[Injury] = []

    @property
    def kills(self) -> int:
        return sum(each.kind == "kill" for each in self.injuries)

    def strike(self) -> Injury | None:
        """Hurt one part; None when the one that was drawn is down or unwell already."""
        victim, kind = self._rng.choices(list(self._weights), list(self._weights.values()))[0]
        index = self._rng.randrange(len(self._cloud.hosts))
        seconds = self._duration(victim, kind)
        parts = self._parts(victim, index)
        with self._lock:
            if any(part in self._unwell for part in parts):
                return None
        if kind == "cut":
            if index == 0:
                return None
            self._cloud.relays.cut(index)
            self._unwell_until(parts[0], seconds, lambda: self._cloud.relays.mend(index))
        else:
            pids = [pid for part in parts for pid in self._pids(part)]
            if not pids:
                return None
            _send(pids, signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
            self._on_strike(victim, kind)
            if kind == "freeze":
                for part in parts:
                    self._unwell_until(part, seconds, lambda: _send(pids, signal.SIGCONT))
        injury = Injury(time.time(), victim, kind, parts[0], seconds)
        self.injuries.append(injury)
        return injury

    def care(self) -> None:
        """Continue whose time has come."""
        self._end(lambda until: until <= time.monotonic())

    def heal(self) -> None:
        self._end(lambda _until: True)

    def _end(self, due: Callable[[float], bool]) -> None:
        with self._lock:
            over = [part for part, (until, _) in self._unwell.items() if due(until)]
            endings = [self._unwell.pop(part)[1] for part in over]
        for ending in endings:
            ending()

    def _unwell_until(self, part: str, seconds: float, ending: Callable[[], None]) -> None:
        with self._lock:
            self._unwell[part] = (time.monotonic() + seconds, ending)

    def _duration(self, victim: str, kind: str) -> float:
        if kind == "cut":
            return self._rng.uniform(*CUT)
        drawn = self._rng.uniform(*FROZEN.get(victim, FROZEN_ELSE))
        return drawn if kind == "freeze" else 0.0

    def _parts(self, victim: str, index: int) -> list[str]:
        name = self._cloud.hosts[index].name
        agent = "agent" if index == 0 else f"agent-{name}"
        if victim == "host":
            return [agent, f"libvirtd-{name}"]
        if victim == "controller":
            second = self._cloud.second_port and index % 2
            return ["controller-2" if second else "controller"]
        return {"agent": [agent], "libvirtd": [f"libvirtd-{name}"]}.get(victim, [victim])

    def _pids(self, part: str) -> list[int]:
        path = self._cloud.pid_files().get(part)
        return family(PidFile(path).members()) if path is not None else []


def family(pids: list[int]) -> list[int]:
    """These processes and all that descend from them: a database's have sessions of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(errors="replace")
                parent = int(stat[stat.rindex(")") + 2 :].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = list(dict.fromkeys(pids))
    for pid in found:
        found += [child for child in children.get(pid, []) if child not in found]
    return found


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
