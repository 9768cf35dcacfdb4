"""How long a cloud that was stopped takes until it is ready again."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from tests.support.guest_cloud import GuestCloud


def measure() -> Iterator[Figure]:
    cloud = GuestCloud()
    try:
        cloud.start()
        cloud.stop()
        began = time.monotonic()
        cloud.launch()
        cloud.wait_ready()
        seconds = time.monotonic() - began
    finally:
        cloud.end()
    yield Figure("second_start", "webcloud up, the second time", seconds, "s", 10)
