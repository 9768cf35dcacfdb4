"""What an open console costs the proxy: PSS of the real process, idle and loaded."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from tests.support.console_agent import ConsoleAgent
from tests.support.console_proxy import ProxyProcess

CONSOLES = 200


def measure() -> Iterator[Figure]:
    """Open CONSOLES consoles, move a screenful through each, and weigh the process."""
    screen = b"x" * 500_000
    with (
        tempfile.TemporaryDirectory() as root,
        ProxyProcess(Path(root)) as proxy,
        ConsoleAgent(proxy.config.console_socket),
    ):
        idle = proxy.pss_kilobytes()
        browsers = [proxy.hand_over(f"i-{number}") for number in range(CONSOLES)]
        for browser in browsers[:20]:
            browser.recv()
            began = time.perf_counter()
            browser.send_binary(screen)
            left = len(screen)
            while left:
                left -= len(browser.recv())
            took = time.perf_counter() - began
        loaded = proxy.pss_kilobytes()
    yield Figure(
        "console_memory",
        "memory per open console",
        (loaded - idle) / CONSOLES / 1024,
        "MB",
        0.2,
        "29.7 MB",
        detail=f"{CONSOLES} consoles, proxy {idle / 1024:.0f} MB idle, "
        f"{len(screen) / 1e6 / took:.0f} MB/s through one",
    )
