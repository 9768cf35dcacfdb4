"""A controller as it is in production, and a fleet of simulated agents in other processes.

The controller is ``webcloud web`` on SQLite in a directory of its own on a
real disk.  Hosts, an image and a project without quotas are put into its
database before it starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from agents.wire import WIRE_VERSION
from tests.support.running_cloud import free_port
from webcloud import migrations
from webcloud.config import Config
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Host
from webcloud.identity import bootstrap, quotas
from webcloud.images.models import Image
from webcloud.instances import flavors
from webcloud.networks import service as networks

PASSWORD = "a password for benchmarks"  # noqa: S105 - of a cloud that lives for minutes
CIDR = "10.64.0.0/16"


class Fleet:
    """``with Fleet(500) as fleet``: everything has started, every agent is connected."""

    def __init__(self, hosts: int, processes: int = 1, url: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="wc-fleet-")
        state = Path(self._folder.name)
        (state / "controller").mkdir()
        (state / "run").mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = Config(
            state_dir=state,
            run_dir=state / "run",
            listen=f"127.0.0.1:{self.port}",
            virt="test",
            database_url=url,
            threads=max(1000, 4 * hosts),
        ).with_defaults_filled()
        self.log = state / "controller.log"
        self._hosts = hosts
        self._processes = processes
        self._agents: list[subprocess.Popen[str]] = []
        self._controller: subprocess.Popen[bytes] | None = None
        migrations.upgrade(self.config.database_url)
        self.database = Database(self.config.database_url)
        with self.database.transaction() as session:
            self.image_id = self._furnish(session)
            self._credentials = [self._host(session, number) for number in range(hosts)]

    def __enter__(self) -> Fleet:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.start_controller()
        for number in range(self._processes):
            agents = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.simulated"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._agents.append(agents)
            _write(agents, json.dumps(self._credentials[number :: self._processes]))
        wait(lambda: self.asked(0)["connected"] == self._hosts, 120)

    def __exit__(self, *_: object) -> None:
        for agents in self._agents:
            agents.stdin.close()  # type: ignore[union-attr]
            agents.kill()
            agents.wait()
        if self._controller is not None:
            self.kill_controller()
        self.database.engine.dispose()
        self._folder.cleanup()

    @property
    def pids(self) -> list[int]:
        """The controller's processes: gunicorn's master and its worker."""
        assert self._controller is not None
        pid = self._controller.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [pid, *(int(each) for each in children.split())]

    def start_controller(self) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
        environ |= {
            "WEBCLOUD_STATE_DIR": str(self.config.state_dir),
            "WEBCLOUD_RUN_DIR": str(self.config.run_dir),
            "WEBCLOUD_LISTEN": self.config.listen,
            "WEBCLOUD_DATABASE_URL": self.config.database_url,
            "WEBCLOUD_VIRT": "test",
            "WEBCLOUD_THREADS": str(self.config.threads),
            "WEBCLOUD_LOG_LEVEL": "WARNING",
            "MALLOC_ARENA_MAX": "2",
        }
        with self.log.open("ab") as log:
            self._controller = subprocess.Popen(
                [sys.executable, "-P", "-m", "webcloud", "web"],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_controller(self) -> None:
        assert self._controller is not None
        os.killpg(self._controller.pid, signal.SIGKILL)
        self._controller.wait()

    def asked(self, since: float) -> dict[str, int]:
        """How many agents are connected, and have asked for commands since then."""
        total = {"connected": 0, "heard": 0}
        for agents in self._agents:
            _write(agents, repr(since))
            assert agents.stdout is not None
            answer: dict[str, int] = json.loads(agents.stdout.readline())
            total = {name: total[name] + answer[name] for name in total}
        return total

    def _furnish(self, session: Session) -> str:
        _, project = bootstrap.ensure_admin(session, PASSWORD)
        flavors.ensure_defaults(session)
        networks.ensure_default(session, project.id, CIDR)
        quotas.set_limits(session, project.id, dict.fromkeys(quotas.DEFAULTS, quotas.UNLIMITED))
        moment = now()
        image = Image(
            id=new_id(),
            name="bench",
            project_id=project.id,
            visibility="public",
            status="active",
            disk_format="qcow2",
            container_format="bare",
            size=1024,
            virtual_size=64 * 1024 * 1024,
            sha256="0" * 64,
            created_at=moment,
            updated_at=moment,
        )
        session.add(image)
        return image.id

    def _host(self, session: Session, number: int) -> dict[str, Any]:
        secret = secrets.token_urlsafe(32)
        host = Host(
            id=new_id(),
            name=f"h{number:03}",
            host_uuid=new_id(),
            credential_hash=hashlib.sha256(secret.encode()).hexdigest(),
            joined_at=now(),
            wire_version=WIRE_VERSION,
        )
        session.add(host)
        return {
            "port": self.port,
            "host_id": host.id,
            "secret": secret,
            "name": host.name,
            "images": [self.image_id],
        }


def pss_mb(pids: list[int]) -> float:
    """Memory of processes in MB, shared pages divided among those that share them."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        total += next(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total / 1024


def cpu_seconds(pids: list[int]) -> float:
    """Processor time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come about"
        time.sleep(0.1)
    return time.monotonic() - began


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
