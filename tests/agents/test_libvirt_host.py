"""The connection comes back by itself: a libvirtd of our own is killed and started."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.errors import AgentError
from agents.libvirt_host import LibvirtHost


class OwnLibvirtd:
    """A session daemon of user nobody, away from the machine's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.uri = f"test+unix:///default?socket={folder}/libvirt/libvirt-sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            "HOME": str(self._folder),
            "XDG_RUNTIME_DIR": str(self._folder),
            "PATH": os.environ["PATH"],
        }
        self._process = subprocess.Popen(
            ["libvirtd"], user="nobody", group="nogroup", extra_groups=[], cwd="/",
            env=environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def daemon(open_dir: Path) -> Iterator[OwnLibvirtd]:
    folder = open_dir / "session"
    folder.mkdir(mode=0o700)
    subprocess.run(["chown", "nobody", folder], check=True)
    own = OwnLibvirtd(folder)
    own.start()
    yield own
    own.kill()


def names(host: LibvirtHost, seconds: float = 10) -> list[str]:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return [guest.name for guest in host.guests()]
        except AgentError:
            assert time.monotonic() < deadline, "libvirt did not come back"
            time.sleep(0.05)


def test_a_restarted_libvirtd_is_found_again_and_everything_told(
    daemon: OwnLibvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.libvirt_host.RETRY_SECONDS", 0.2)
    events: list[str] = []
    host = LibvirtHost(daemon.uri, events.append)
    host.start()
    assert names(host) == ["test"]
    assert events == [""]
    daemon.kill()
    deadline = time.monotonic() + 5
    with pytest.raises(AgentError) as failure:
        while time.monotonic() < deadline:
            host.guests()
    assert failure.value.retryable
    daemon.start()
    assert names(host) == ["test"]
    assert events == ["", ""]
    host.stop()
