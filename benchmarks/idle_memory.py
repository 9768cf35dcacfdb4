"""What our own processes weigh when nobody uses them: the sum of their PSS.

PSS shares the pages that processes have in common between them, so the sum is
what would be free without them (proc(5), smaps_rollup).  Pages of the
interpreter that other Python programs of this machine use as well weigh less
than they would alone; ``alone`` in the detail counts them in full, once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from tests.support.guest_cloud import PARTS, GuestCloud
from tests.support.running_cloud import processes

SETTLE_SECONDS = 20
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+) (\S+) (\d+)", re.MULTILINE)


def measure(cloud: GuestCloud) -> Iterator[Figure]:
    time.sleep(SETTLE_SECONDS)
    members = members_of(cloud)
    weights = {pid: pss_kilobytes(pid) for pid in members}
    alone = alone_kilobytes(list(members)) / 1024
    parts = ", ".join(f"{name} {weights[pid] / 1024:.0f}" for pid, name in members.items())
    yield Figure(
        "idle_memory",
        "memory of all our processes, idle",
        sum(weights.values()) / 1024,
        "MB",
        200,
        "2,799 MiB in 42 processes",
        detail=f"{len(members)} processes: {parts}; alone {alone:.0f}",
    )


def members_of(cloud: GuestCloud) -> dict[int, str]:
    """Every process of the cloud by its part: the supervisor and its children's groups."""
    assert cloud.process is not None
    leaders = {cloud.pid(part): part for part in PARTS}
    found = {cloud.process.pid: "supervisor"}
    for pid in processes():
        try:
            group = os.getpgid(pid)
        except ProcessLookupError:
            continue
        if group in leaders:
            found[pid] = leaders[group]
    return found


def pss_kilobytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def alone_kilobytes(pids: list[int]) -> int:
    """The same as if no other program shared a file's pages: private pages and each file once."""
    anonymous = 0
    files: dict[tuple[str, ...], int] = {}
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
        for block in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", text):
            head = _MAPPING.match(block)
            sizes = dict(re.findall(r"^(\w+): +(\d+) kB", block, re.MULTILINE))
            if head is None or head.group(3) == "0":
                anonymous += int(sizes.get("Pss", 0))
            else:
                anonymous += int(sizes.get("Pss_Dirty", 0))
                clean = int(sizes["Rss"]) - int(sizes["Shared_Dirty"]) - int(sizes["Private_Dirty"])
                files[head.groups()] = max(files.get(head.groups(), 0), clean)
    return anonymous + sum(files.values())
