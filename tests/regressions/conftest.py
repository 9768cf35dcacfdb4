"""The web server as it runs in service, with few threads so that they can be used up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.live_server import free_port
from webcloud.config import Config

THREADS = 12


@dataclass(frozen=True)
class Site:
    """A controller process behind a real port."""

    port: int
    config: Config

    def seconds_to_answer(self, path: str = "/healthz", timeout: float = 15.0) -> float:
        """How long a stranger waits for this page; raises OSError after ``timeout``."""
        began = time.monotonic()
        address = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(address, timeout=timeout) as answer:
            answer.read()
        return time.monotonic() - began


@pytest.fixture
def site(config: Config) -> Iterator[Site]:
    """``webcloud web`` on a fresh database."""
    port = free_port()
    environ = {
        **os.environ,
        "WEBCLOUD_STATE_DIR": str(config.state_dir),
        "WEBCLOUD_RUN_DIR": str(config.run_dir),
        "WEBCLOUD_DATABASE_URL": config.database_url,
        "WEBCLOUD_LISTEN": f"127.0.0.1:{port}",
        "WEBCLOUD_THREADS": str(THREADS),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "webcloud", "web"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = Site(port, config)
    try:
        _wait(running, process)
        yield running
    finally:
        process.terminate()
        process.wait(15)


def _wait(site: Site, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            site.seconds_to_answer()
            return
        except OSError:
            assert process.poll() is None, "the web server ended at once"
            assert time.monotonic() < until, "the web server did not start"
            time.sleep(0.1)
