"""A real ``webcloud up`` on a state directory and a port of its own.

Import ``cloud`` (one per test) into a test module or conftest.  The state
lies in /var/tmp under a short name, because unix sockets have short names.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PARTS = ("agent", "proxy", "controller")


class RunningCloud:
    """``start`` waits until it says that it is ready; ``output`` is what it printed."""

    def __init__(
        self, state: Path, *, virt: str = "test", address: str = "127.0.0.1", **settings: str
    ) -> None:
        self.state = state
        self.address = address
        self.port = free_port(address)
        self.url = f"http://{address}:{self.port}"
        self.virt = virt
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self._log = state.with_name(state.name + ".out")

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def login_secret(self) -> str:
        """The secret of the login link that was printed last."""
        return re.findall(r"/login#token=(\S+)", self.output)[-1]

    def launch(self, *arguments: str) -> None:
        """Start it without waiting."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
        argv = [sys.executable, "-P", "-m", "webcloud", "up", "--state", str(self.state)]
        argv += ["--listen", f"{self.address}:{self.port}", "--virt", self.virt, *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                argv,
                env={**environ, **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, seconds: float = 60) -> None:
        self.launch()
        self.wait_ready(seconds)

    def wait_ready(self, seconds: float = 60) -> None:
        process = self.process
        assert process is not None
        wait_until(
            lambda: "ready at" in self.output or process.poll() is not None, seconds, self.describe
        )
        assert "ready at" in self.output, self.describe()

    def stop(self, number: int = signal.SIGINT, seconds: float = 30) -> int:
        """Signal the supervisor and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def pid(self, part: str) -> int:
        """The process of one part, from its pid file."""
        text = (self.state / "run" / "pids" / f"{part}.pid").read_text(encoding="ascii")
        return int(text.split()[0])

    def healthz(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Another ``webcloud`` command on this installation."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
        argv = [sys.executable, "-P", "-m", "webcloud", *arguments, "--state", str(self.state)]
        return subprocess.run(
            argv, env=environ, input=given, capture_output=True, text=True, timeout=60, check=False
        )

    def end(self) -> None:
        """Leave no process and no file behind, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for part in PARTS:
            with contextlib.suppress(OSError, ValueError):
                os.killpg(self.pid(part), signal.SIGKILL)
        self._log.unlink(missing_ok=True)
        shutil.rmtree(self.state, ignore_errors=True)

    def describe(self) -> str:
        """What it printed and logged, for a failing test."""
        logs = sorted(self.state.glob("logs/*.log"))
        return "\n".join(
            [self.output, *(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in logs)]
        )


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    """A cloud that has not been started, on a state directory that is not there yet."""
    base = Path(tempfile.mkdtemp(prefix="wc-", dir="/var/tmp"))
    base.chmod(0o711)
    running = RunningCloud(base / "s")
    try:
        yield running
    finally:
        running.end()
        shutil.rmtree(base, ignore_errors=True)


def free_port(address: str = "127.0.0.1") -> int:
    """A port of this address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port


def processes() -> list[int]:
    """Every process there is."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"


def wait_until(
    condition: Callable[[], object], seconds: float, describe: Callable[[], str] = lambda: ""
) -> None:
    """Return once the condition holds; fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s\n{describe()}")
        time.sleep(0.05)
