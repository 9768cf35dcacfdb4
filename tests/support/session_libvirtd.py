"""libvirt's test driver behind a daemon of its own, so that it outlives every agent.

``test:///default`` lives inside the process that opened it and forgets all with
its last connection: killing an agent would kill its hypervisor.  Here a private
libvirtd of an unprivileged user serves it on a unix socket, and one connection
held by the tests keeps its domains.  Hosts that must not see each other's
domains have a daemon each.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

USER = "nobody"


class SessionLibvirtd:
    """Started at once; ``uri`` is what an agent connects to."""

    def __init__(self, seconds: float = 20) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wc-virt-", dir="/tmp"))
        self.uri = f"test+unix:///default?socket={self.folder}/libvirt/libvirt-sock"
        become = ["setpriv", "--pdeathsig", "KILL"]
        if os.geteuid() == 0:
            entry = pwd.getpwnam(USER)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            become += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        home = {f"XDG_{kind}_HOME": str(self.folder) for kind in ("CONFIG", "CACHE", "DATA")}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*become, "--", "libvirtd"],
                env={**home, "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder),
                     "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.holder = self._opened(seconds)

    def clear(self) -> None:
        """Take away every domain but the one the driver comes with."""
        for domain in self.holder.listAllDomains():
            if domain.name() == "test":
                continue
            if domain.isActive():
                domain.destroy()
            domain.undefine()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _opened(self, seconds: float) -> libvirt.virConnect:
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        deadline = time.monotonic() + seconds
        while True:
            try:
                return libvirt.open(self.uri)
            except libvirt.libvirtError as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    log = (self.folder / "log").read_text(errors="replace")
                    self.end()
                    raise RuntimeError(f"libvirtd did not start:\n{log}") from error
                time.sleep(0.01)


class Hypervisors:
    """One daemon per host, started when it is first asked for and kept for the session."""

    def __init__(self) -> None:
        self._started: list[SessionLibvirtd] = []

    def __getitem__(self, number: int) -> SessionLibvirtd:
        while len(self._started) <= number:
            self._started.append(SessionLibvirtd())
        return self._started[number]

    def clear(self) -> None:
        for daemon in self._started:
            daemon.clear()

    def end(self) -> None:
        for daemon in self._started:
            daemon.end()


@pytest.fixture(scope="session")
def hypervisors() -> Iterator[Hypervisors]:
    every = Hypervisors()
    try:
        yield every
    finally:
        every.end()
