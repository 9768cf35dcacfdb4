"""A second real host on this machine: namespaces of its own, with its own libvirt.

It has a network namespace, a private mount and UTS namespace, and folders of
its own over /run, /etc/libvirt, /var/lib/libvirt, /var/log/libvirt,
/var/cache/libvirt and /var/lib/webcloud.  A veth pair joins it to this
machine: ``controller_address`` is this machine's end, where a cloud under test
listens.  Needs root; ``end`` ends every process in the namespace and removes it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from tests.support.running_cloud import wait_until

ROOT = Path(__file__).resolve().parents[2]
STATE = Path("/var/lib/webcloud")
QEMU_CONF = 'security_driver = "none"\nnamespaces = []\ncgroup_controllers = []\n'


class SecondHost:
    """``with SecondHost("n2") as host:``; ``run`` and ``launch`` start programs on it."""

    def __init__(self, name: str) -> None:
        token = secrets.token_hex(3)
        self.name = name
        self.base = Path(tempfile.mkdtemp(prefix=f"wch-{token}-", dir="/var/tmp"))
        self.base.chmod(0o711)
        network = f"10.{secrets.randbelow(50) + 200}.{secrets.randbelow(256)}"
        self.controller_address = f"{network}.1"
        self.address = f"{network}.2"
        self._netns = f"wch{token}"
        self._outer = f"wch{token}o"
        self._holder: subprocess.Popen[bytes] | None = None
        self._made_state = False

    def __enter__(self) -> SecondHost:
        try:
            self._make_network()
            self._make_folders()
            self._hold()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def run(
        self, *argv: str, given: str = "", seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """A program on the host, to its end; ``given`` is its standard input."""
        return subprocess.run(
            self._inside(*argv),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            input=given,
        )

    def launch(self, *argv: str, given: str, log: Path) -> subprocess.Popen[bytes]:
        """A program on the host, in a session of its own; it writes to ``log``."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._inside(*argv),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        assert process.stdin is not None
        process.stdin.write(given.encode())
        process.stdin.close()
        return process

    def pids(self) -> list[int]:
        """Every process on the host."""
        done = subprocess.run(
            ["ip", "netns", "pids", self._netns], capture_output=True, text=True, check=False
        )
        return [int(line) for line in done.stdout.split()]

    def agents(self) -> list[int]:
        """The agent's process and its supervisor's."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"agents" in words or b"webcloud.supervising.lone_agent" in words:
                    found.append(pid)
        return found

    def signal_agents(self, number: int) -> None:
        """As if the machine's agent was frozen, continued or killed."""
        for pid in self.agents():
            os.kill(pid, number)

    def domains(self) -> set[str]:
        """The ids of all domains that the host's libvirt knows, running or not."""
        done = self.run("virsh", "-c", "qemu:///system", "list", "--all", "--uuid")
        assert done.returncode == 0, done.stderr
        return set(done.stdout.split())

    def links(self) -> set[str]:
        """The names of its network devices."""
        done = self.run("ip", "-br", "link")
        return {line.split()[0].split("@")[0] for line in done.stdout.splitlines()}

    def folder_of(self, instance_id: str) -> Path:
        """Where the instance's files are, seen from this machine."""
        return self.base / "webcloud" / "agent" / "instances" / instance_id

    def end(self) -> None:
        """No process, device, mount or folder of it is left."""
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + 3
            while number != signal.SIGCONT and self.pids() and time.monotonic() < deadline:
                time.sleep(0.05)
        if self._holder is not None:
            self._holder.wait(10)
        for argv in (["link", "del", self._outer], ["netns", "del", self._netns]):
            subprocess.run(["ip", *argv], check=False, capture_output=True)
        shutil.rmtree(self.base, ignore_errors=True)
        if self._made_state:
            with contextlib.suppress(OSError):
                STATE.rmdir()

    def _inside(self, *argv: str) -> list[str]:
        assert self._holder is not None
        enter = f"--target={self._holder.pid}", "-m", "-u", "-n", f"--wdns={ROOT}", "--"
        return ["nsenter", *enter, *argv]

    def _make_network(self) -> None:
        inner = f"{self._outer[:-1]}i"
        _ip("netns", "add", self._netns)
        _ip("link", "add", self._outer, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", self._netns, "name", "eth0")
        _ip("addr", "add", f"{self.controller_address}/30", "dev", self._outer)
        _ip("link", "set", self._outer, "up")
        for line in (
            f"addr add {self.address}/30 dev eth0",
            "link set lo up",
            "link set eth0 up",
            f"route add default via {self.controller_address}",
        ):
            _ip("-n", self._netns, *line.split())

    def _make_folders(self) -> None:
        if not STATE.exists():
            STATE.mkdir(mode=0o711)
            self._made_state = True
        for folder in ("run", "libvirt", "log", "cache", "webcloud"):
            (self.base / folder).mkdir(mode=0o755)
        settings = self.base / "etc"
        (settings / "qemu").mkdir(parents=True)
        (settings / "qemu.conf").write_text(QEMU_CONF)
        (settings / "libvirtd.conf").write_text(f'host_uuid = "{uuid.uuid4()}"\n')

    def _hold(self) -> None:
        """A process that keeps the private namespaces; everything else enters them."""
        binds = {
            "run": "/run",
            "etc": "/etc/libvirt",
            "libvirt": "/var/lib/libvirt",
            "log": "/var/log/libvirt",
            "cache": "/var/cache/libvirt",
            "webcloud": str(STATE),
        }
        script = ["set -e"]
        script += [f"mount --bind {self.base / own} {place}" for own, place in binds.items()]
        script += [f"hostname {self.name}", f"touch {self.base}/ready", "exec sleep infinity"]
        # From outside the /run that it hides, for ip's own name of the namespace is there.
        self._holder = subprocess.Popen(
            ["ip", "netns", "exec", self._netns, "unshare", "-m", "-u", "--propagation", "private",
             "sh", "-c", "\n".join(script)],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        holder = self._holder
        ready = self.base / "ready"
        wait_until(lambda: ready.exists() or holder.poll() is not None, 20)
        assert ready.exists(), "the namespaces could not be made"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
