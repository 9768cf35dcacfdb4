"""A cloud of many hosts, each part of it a process that can be killed.

``webcloud up`` keeps the controller, the proxy and the agent of the first
host; the fleet's own supervisor keeps the other agents, every host's libvirt
and, where there is a database server, a second controller.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import databases, fleet
from tests.chaos.hosts import Note, TestHost, Witness
from tests.chaos.relays import Relays
from tests.support.boot_sector import BUTTON, disk
from tests.support.running_cloud import RunningCloud, free_port
from tests.support.stock_api import PASSWORD, StockApi, wait_for
from webcloud.db import Database
from webcloud.hosts import enrolment, presence
from webcloud.hosts import queries as host_queries
from webcloud.supervising.programs import Program

START_SECONDS = 240


class ChaosCloud:
    """``start`` returns once every host is alive; ``pid_files`` name the victims."""

    def __init__(self, hosts: int, kind: str, note: Note) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="wc-chaos-", dir="/var/tmp"))
        self.base.chmod(0o711)
        self.logs = self.base / "logs"
        self.kind = kind
        self._note = note
        self._supervisors: list[subprocess.Popen[bytes]] = []
        for folder in (self.logs, self.base / "pids", self.base / "hosts"):
            folder.mkdir()
        self.url = ""
        self.settings = {
            "WEBCLOUD_ADMIN_PASSWORD": PASSWORD,
            "WEBCLOUD_DEFAULT_CIDR": "10.78.0.0/22",
        }
        if kind != "sqlite":
            self.url, program = databases.prepare(kind, self.base / "database", self.logs)
            self.settings["WEBCLOUD_DATABASE_URL"] = self.url
            self._supervise("database", [program])
            databases.wait_ready(self.url)
        self.second_port = free_port() if kind != "sqlite" else 0
        self.running = RunningCloud(self.base / "s", **self.settings)
        ports = [self.running.port, self.second_port or self.running.port]
        self.relays = Relays([ports[index % 2] for index in range(hosts)])
        names = [socket.gethostname(), *(f"n{index:02}" for index in range(1, hosts))]
        self.hosts = [
            TestHost(name, self.base / "hosts" / name, port)
            for name, port in zip(names, self.relays.ports, strict=True)
        ]
        # ``webcloud up`` has the first host's agent dial the controller directly.
        self.running.settings["WEBCLOUD_AGENT_LIBVIRT_URI"] = self.hosts[0].uri
        self.hosts[0].port = self.running.port
        self.witness: Witness
        self.database: Database
        self.api: StockApi
        self.image_id = ""

    @property
    def urls(self) -> list[str]:
        """Where clients reach a controller."""
        second = [f"http://127.0.0.1:{self.second_port}"] if self.second_port else []
        return [self.running.url, *second]

    @property
    def image_dir(self) -> Path:
        return self.running.state / "controller" / "images"

    def pid_files(self) -> dict[str, Path]:
        """Part to pid file, of every part."""
        folders = (self.base / "pids", self.running.state / "run" / "pids")
        return {path.stem: path for folder in folders for path in folder.glob("*.pid")}

    def start(self) -> None:
        self._supervise("libvirts", [each.libvirtd(self.logs) for each in self.hosts])
        self.witness = Witness(self.hosts, self._note)
        wait_for(lambda: self.witness.ready() == len(self.hosts), 60, "a libvirt does not answer")
        self.running.start(120)
        file = self.running.state / "controller" / "webcloud.sqlite"
        self.database = Database(self.url or f"sqlite:///{file}")
        for host in self.hosts[1:]:
            with self.database.transaction() as session:
                token = enrolment.make_join_token(session, host.name)
            (host.folder / "token").write_text(token, encoding="ascii")
        agents = [each.agent(self.logs) for each in self.hosts[1:]]
        self._supervise("agents", [*self._second_controller(), *agents])
        wait_for(lambda: self.alive() == len(self.hosts), START_SECONDS, "a host does not join")
        self.api = StockApi(self.running.url)
        self._furnish()

    def alive(self) -> int:
        """How many hosts are heard from and known to run the test driver."""
        with self.database.reading() as session:
            found = host_queries.list_hosts(session)
        return sum(presence.is_alive(host) and host.hypervisor == "test" for host in found)

    def answering(self) -> bool:
        """Whether every controller answers and every host is heard from."""
        try:
            self.running.healthz()
        except OSError:
            return False
        return self.alive() == len(self.hosts)

    def end(self) -> None:
        """Stop every part; the folder stays."""
        if len(self._supervisors) > 1:
            fleet.end(self._supervisors.pop())
        if self.running.process is not None and self.running.process.poll() is None:
            self.running.stop()
        if hasattr(self, "witness"):
            self.witness.stop()
        for process in reversed(self._supervisors):
            fleet.end(process)
        self.relays.close()

    def remove(self) -> None:
        """The folder too."""
        shutil.rmtree(self.base, ignore_errors=True)

    def _supervise(self, name: str, programs: list[Program]) -> None:
        self._supervisors.append(fleet.launch(self.base, name, programs))

    def _second_controller(self) -> list[Program]:
        if not self.second_port:
            return []
        state = self.running.state
        environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
        environ |= {
            **self.settings,
            "WEBCLOUD_STATE_DIR": str(state),
            "WEBCLOUD_RUN_DIR": str(state / "run"),
            "WEBCLOUD_LISTEN": f"127.0.0.1:{self.second_port}",
            "WEBCLOUD_VIRT": "test",
        }
        argv = (sys.executable, "-P", "-m", "webcloud", "web")
        return [Program("controller-2", argv, environ, self.logs / "controller-2.log")]

    def _furnish(self) -> None:
        """An image, and room in the quota for a busy project."""
        self.image_id = self.api.upload("button", disk(BUTTON))
        project = self.api.call("GET", "/identity/v3/auth/projects")["projects"][0]["id"]
        quota = {"instances": -1, "cores": -1, "ram": -1}
        path = f"/compute/v2.1/os-quota-sets/{project}"
        self.api.call("PUT", path, {"quota_set": quota})
        time.sleep(1)
