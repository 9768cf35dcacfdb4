"""A running cloud with real guests, and what it left on this machine.

Its network is one that nobody on this machine uses, and it names nothing that
another cloud here uses, so both can run at once.  ``verify`` is how every test ends.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import libvirt

from agents.wire.commands import tap_name
from tests.support.libvirt_daemon import URI, ensure_libvirtd
from tests.support.running_cloud import PARTS, RunningCloud
from tests.support.stock_api import PASSWORD, StockApi, wait_for


class GuestCloud(RunningCloud):
    """Started by ``start``; ``api`` is there from then on. ``end`` also removes guests."""

    def __init__(self, *, address: str = "127.0.0.1", **settings: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="wcg-", dir="/var/tmp"))
        self.base.chmod(0o711)
        self.network = unused_network()
        given = {"WEBCLOUD_DEFAULT_CIDR": str(self.network), "WEBCLOUD_ADMIN_PASSWORD": PASSWORD}
        super().__init__(self.base / "s", virt="qemu", address=address, **{**given, **settings})
        self.api: StockApi
        self._ports: dict[str, str] = {}

    def start(self, seconds: float = 120) -> None:
        ensure_libvirtd()
        super().start(seconds)
        self.api = StockApi(self.url)
        wait_for(lambda: self.healthz()["parts"]["hosts"]["status"] == "ok", 60, self.describe())

    def kill(self, part: str) -> None:
        """kill -9, which the supervisor notices by itself."""
        os.kill(self.pid(part), signal.SIGKILL)

    def kill_workers(self) -> None:
        """kill -9 of the web server with all its processes."""
        os.killpg(self.pid("controller"), signal.SIGKILL)

    def wait_answering(self, seconds: float = 30) -> None:
        """Every part is alive again."""

        def fine() -> bool:
            try:
                parts = self.healthz()["parts"]
            except OSError:
                return False
            return all(part["status"] == "ok" for part in parts.values())

        wait_for(fine, seconds, "a part does not answer")

    def folder(self, server_id: str) -> Path:
        return self.state / "agent" / "instances" / server_id

    def tap_of(self, server_id: str) -> str:
        """The name of the instance's tap; remembered beyond the instance's end."""
        if server_id not in self._ports:
            path = f"/network/v2.0/ports?device_id={server_id}"
            self._ports[server_id] = self.api.call("GET", path)["ports"][0]["id"]
        return tap_name(self._ports[server_id])

    def left_of(self, server_id: str) -> list[str]:
        """Everything on this machine that still belongs to the instance."""
        found = []
        if domain(server_id) is not None:
            found.append("its domain")
        if self.folder(server_id).exists():
            found.append("its files")
        port = self._ports.get(server_id, "")
        if port and Path(f"/sys/class/net/{tap_name(port)}").exists():
            found.append("its tap")
        if port and list((self.state / "agent" / "networks").glob(f"*/hosts/{port}")):
            found.append("its promised lease")
        return found

    def bridge(self) -> str:
        """The default network's bridge."""
        networks = self.api.call("GET", "/network/v2.0/networks")["networks"]
        return "br" + networks[0]["id"].replace("-", "")[:11]

    def verify(self) -> None:
        """Fails the test with every line in which database and machine disagree."""
        done = self.run("verify")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.describe()}"

    def delete_all(self) -> None:
        """Every instance goes, the product's own way."""
        servers: list[dict[str, Any]] = self.api.call("GET", "/compute/v2.1/servers")["servers"]
        for server in servers:
            self.api.delete(server["id"])
        for server in servers:
            self.api.wait_gone(server["id"])

    def end(self) -> None:
        """Stop it, and take away by force what it left running on this machine."""
        networks = list((self.state / "agent" / "networks").glob("*/network.json"))
        guests = list((self.state / "agent" / "instances").glob("*"))
        bridges = [f"br{path.parent.name.replace('-', '')[:11]}" for path in networks]
        tables = [f"webcloud_nat_{path.parent.name.replace('-', '')}" for path in networks]
        pids = [path.with_name("dnsmasq.pid") for path in networks]
        running = [int(path.read_text()) for path in pids if path.exists()]
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGTERM)
        for guest in guests:
            remove_domain(guest.name)
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        for argv in (
            *(["ip", "link", "del", bridge] for bridge in bridges),
            *(["nft", "delete", "table", "ip", table] for table in tables),
        ):
            subprocess.run(argv, check=False, capture_output=True)
        super().end()
        shutil.rmtree(self.base, ignore_errors=True)


def unused_network() -> IPv4Network:
    """A /24 that no device of this machine has an address in."""
    shown = subprocess.run(["ip", "-j", "-4", "addr"], check=True, capture_output=True).stdout
    taken = [
        IPv4Network(f"{address['local']}/{address['prefixlen']}", strict=False)
        for device in json.loads(shown)
        for address in device["addr_info"]
    ]
    while True:
        found = IPv4Network(f"10.{random.randrange(64, 192)}.{random.randrange(256)}.0/24")
        if not any(found.overlaps(each) for each in taken):
            return found


def domain(server_id: str) -> libvirt.virDomain | None:
    """The instance's domain as libvirt knows it, running or not."""
    with libvirt.open(URI) as connection:
        found = [each for each in connection.listAllDomains() if each.UUIDString() == server_id]
        return found[0] if found else None


def is_active(server_id: str) -> bool:
    found = domain(server_id)
    return found is not None and bool(found.isActive())


def qemu_pid(server_id: str) -> int:
    """The process that is the guest."""
    found = domain(server_id)
    assert found is not None, f"{server_id} has no domain"
    return int(Path(f"/run/libvirt/qemu/{found.name()}.pid").read_text(encoding="ascii"))


def remove_domain(server_id: str) -> None:
    """No domain of this id, by force."""
    found = domain(server_id)
    if found is None:
        return
    if found.isActive():
        found.destroy()
    found.undefine()


__all__ = ["PARTS", "GuestCloud", "domain", "is_active", "qemu_pid", "remove_domain"]
