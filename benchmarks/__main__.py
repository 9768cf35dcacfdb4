"""Runs the benchmarks that were named, or all of them, and prints what they found.

The exit code is 1 when a figure misses its reach.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    connected,
    console_frame,
    console_memory,
    creating,
    drift,
    idle_memory,
    page_weight,
    placement,
    power,
    second_start,
    steps_on_a_server,
    steps_per_second,
    take_over,
)
from benchmarks.figure import Figure, table
from tests.support.guest_cloud import GuestCloud

ALONE: dict[str, Callable[[], Iterator[Figure]]] = {
    "placement": placement.measure,
    "steps": steps_per_second.measure,
    "steps_postgresql": steps_on_a_server.measure,
    "take_over": take_over.measure,
    "console_memory": console_memory.measure,
    "connected": connected.measure,
    "creating": creating.measure,
    "second_start": second_start.measure,
}
# The memory of an idle cloud is weighed before anybody has used it.
ON_A_CLOUD: dict[str, Callable[[GuestCloud], Iterator[Figure]]] = {
    "idle_memory": idle_memory.measure,
    "page": page_weight.measure,
    "power": power.measure,
    "console": console_frame.measure,
    "drift": drift.measure,
}


def main(names: list[str]) -> int:
    unknown = set(names) - {*ALONE, *ON_A_CLOUD}
    if unknown:
        print(f"there is no {', '.join(sorted(unknown))}; there are:", *ALONE, *ON_A_CLOUD)
        return 2
    figures: list[Figure] = []
    for name, measure in ALONE.items():
        if not names or name in names:
            figures += _say(measure())
    wanted = [name for name in ON_A_CLOUD if not names or name in names]
    if wanted:
        cloud = GuestCloud()
        try:
            cloud.start()
            for name in wanted:
                figures += _say(ON_A_CLOUD[name](cloud))
            cloud.delete_all()
        finally:
            cloud.end()
    print(f"\n{table(figures)}\n")
    for figure in figures:
        print(figure.as_json())
    return 0 if all(figure.met for figure in figures) else 1


def _say(figures: Iterator[Figure]) -> Iterator[Figure]:
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3g} {figure.unit} {figure.detail}", file=sys.stderr)
        yield figure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
