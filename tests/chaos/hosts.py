"""One host of the fleet: an agent, a libvirt of its own, and a witness.

The libvirt is a session daemon with the test driver.  Its guests live as long
as it does and somebody is connected, so the witness keeps a connection: then
an agent's death costs no guest, and the daemon's death is a power cut.  The
witness also writes down every guest that begins or ends to run.
"""

from __future__ import annotations

import os
import pwd
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import libvirt

from webcloud.supervising.account import Account
from webcloud.supervising.programs import Program

# The driver brings a domain of its own.
DRIVERS_OWN = "test"
RUNS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: True,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: False,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: False,
}


class TestHost:
    """``folder`` is the host's; it dials the controller at ``port`` of the loopback."""

    __test__ = False

    def __init__(self, name: str, folder: Path, port: int) -> None:
        self.name, self.folder, self.port = name, folder, port
        self.uri = f"test+unix:///default?socket={folder}/libvirt/run/libvirt/libvirt-sock"
        nobody = pwd.getpwnam("nobody")
        for each in ("libvirt/run", "libvirt/home", "state", "run"):
            (folder / each).mkdir(parents=True)
        self._account: Account | None = None
        if os.geteuid() == 0:
            self._account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
            for path in (folder / "libvirt", *(folder / "libvirt").iterdir()):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        # A frozen client must find its guests again: the daemon waits for it.
        conf = folder / "libvirt" / "libvirtd.conf"
        conf.write_text("keepalive_interval = -1\n", encoding="ascii")

    def libvirtd(self, logs: Path) -> Program:
        home = str(self.folder / "libvirt" / "home")
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "XDG_RUNTIME_DIR": str(self.folder / "libvirt" / "run"),
            "XDG_CONFIG_HOME": home,
            "XDG_CACHE_HOME": home,
        }
        argv = ("libvirtd", "-f", str(self.folder / "libvirt" / "libvirtd.conf"))
        return Program(
            f"libvirtd-{self.name}",
            argv,
            environ,
            logs / f"libvirtd-{self.name}.log",
            self._account,
        )

    def agent(self, logs: Path) -> Program:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
        environ |= {
            "WEBCLOUD_AGENT_CONTROLLER": f"http://127.0.0.1:{self.port}",
            "WEBCLOUD_AGENT_NAME": self.name,
            "WEBCLOUD_AGENT_STATE_DIR": str(self.folder / "state"),
            "WEBCLOUD_AGENT_RUN_DIR": str(self.folder / "run"),
            "WEBCLOUD_AGENT_JOIN_TOKEN_FILE": str(self.folder / "token"),
            "WEBCLOUD_AGENT_LIBVIRT_URI": self.uri,
            "WEBCLOUD_AGENT_VIRT": "test",
            "MALLOC_ARENA_MAX": "2",
        }
        argv = (sys.executable, "-P", "-m", "agents")
        return Program(f"agent-{self.name}", argv, environ, logs / f"agent-{self.name}.log")

    def files(self) -> set[str]:
        """What lies in the folder of instances."""
        folder = self.folder / "state" / "instances"
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


Note = Callable[[str, str, str], None]


class Witness:
    """Keeps a connection to each host's libvirt; ``note(host, event, instance)`` is told."""

    def __init__(self, hosts: list[TestHost], note: Note) -> None:
        self._note = note
        self._stop = threading.Event()
        self._connections: dict[str, libvirt.virConnect] = {}
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._events, daemon=True).start()
        self._threads = [
            threading.Thread(target=self._keep, args=(host,), daemon=True) for host in hosts
        ]
        for thread in self._threads:
            thread.start()

    def domains(self, host: TestHost) -> dict[str, bool]:
        """Every domain on the host but the driver's own, and whether it runs."""
        connection = self._connections[host.name]
        found = connection.listAllDomains()
        return {
            each.UUIDString(): bool(each.isActive()) for each in found if each.name() != DRIVERS_OWN
        }

    def ready(self) -> int:
        """How many hosts' libvirts are connected."""
        return len(self._connections)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(1)

    def _keep(self, host: TestHost) -> None:
        while not self._stop.wait(0.05):
            connection = self._connections.get(host.name)
            try:
                if connection is None:
                    self._connect(host)
                elif not connection.isAlive():
                    del self._connections[host.name]
                    self._note(host.name, "dark", "")
            except libvirt.libvirtError:
                self._connections.pop(host.name, None)

    def _connect(self, host: TestHost) -> None:
        connection = libvirt.open(host.uri)
        connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, host.name
        )
        self._connections[host.name] = connection
        self._note(host.name, "light", "")
        # What began to run before we listened.
        for instance_id, runs in self.domains(host).items():
            if runs:
                self._note(host.name, "runs", instance_id)

    def _lifecycle(
        self, _connection: object, domain: libvirt.virDomain, event: int, _detail: int, name: str
    ) -> None:
        if event in RUNS:
            self._note(name, "runs" if RUNS[event] else "ends", domain.UUIDString())

    def _events(self) -> None:
        while not self._stop.is_set():
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                time.sleep(0.1)
