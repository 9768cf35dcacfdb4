"""A host for tests: an agent with folders of its own, in this process or another.

The folders are where QEMU and dnsmasq may reach them (pytest's own are not),
and whatever the agent made (domains, bridges, DHCP servers, tables) is removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from agents.agent import Agent
from agents.compute.domain_xml import domain_name
from agents.config import AgentConfig
from agents.errors import AgentError
from agents.ids import is_id
from agents.libvirt_host import SYSTEM, LibvirtHost
from agents.network.networks import Networks
from tests.support.agent_controller import TOKEN


class AgentHost:
    """``start_inside`` runs the agent in a thread, ``start`` as a process."""

    def __init__(self, controller_url: str, virt: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="webcloud-test-", dir="/var/tmp"))
        self.base.chmod(0o755)
        self.virt = virt
        (self.base / "token").write_text(TOKEN)
        self.environment = {
            "WEBCLOUD_AGENT_CONTROLLER": controller_url,
            "WEBCLOUD_AGENT_NAME": "host-1",
            "WEBCLOUD_AGENT_STATE_DIR": str(self.base / "state"),
            "WEBCLOUD_AGENT_RUN_DIR": str(self.base / "run"),
            "WEBCLOUD_AGENT_JOIN_TOKEN_FILE": str(self.base / "token"),
            "WEBCLOUD_AGENT_VIRT": virt,
        }
        self.config = AgentConfig.from_environment(self.environment)
        self.process: subprocess.Popen[bytes] | None = None
        self.agent: Agent | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.base / "agent.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agents"],
            env=dict(os.environ, **self.environment),
            cwd="/",
            stderr=log,
        )
        return self.process

    def start_inside(self) -> Agent:
        self.agent = Agent(self.config)
        self._thread = threading.Thread(target=self.agent.run, daemon=True)
        self._thread.start()
        return self.agent

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        if self.agent is not None and self._thread is not None:
            self.agent.stop()
            self._thread.join(10)

    def clean(self) -> None:
        """Stop the agent and remove all that it made."""
        self.stop()
        networks = Networks(self.config.networks_dir)
        for network in list(networks.stored()):
            networks.ensure_absent(network.network_id)
        if self.virt != "test":
            self._remove_domains()
        shutil.rmtree(self.base)

    def _remove_domains(self) -> None:
        folder = self.config.instances_dir
        ids = {item.name for item in folder.iterdir()} if folder.is_dir() else set()
        host = LibvirtHost(SYSTEM, lambda _instance_id: None)
        host.start()
        try:
            for guest in host.guests():
                if (
                    is_id(guest.uuid)
                    and guest.uuid in ids
                    and guest.name == domain_name(guest.uuid)
                ):
                    guest.destroy()
                    guest.undefine()
        except AgentError as error:
            raise AssertionError(
                "libvirt went away before the test's guests were removed"
            ) from error
        finally:
            host.stop()
