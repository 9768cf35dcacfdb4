"""One dnsmasq per network: static leases for its ports, DNS if asked for.

It detaches itself, so that nothing that happens to the agent reaches it, and
is found again by its pid file.  It listens on the network's bridge only and
reads no configuration but what is given here.  A lease is one file named by
the port id; a hang-up signal makes dnsmasq read them again.
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from agents import privileged
from agents.errors import AgentError
from agents.ids import is_id
from agents.network.release import release
from agents.storage import files

_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_RELEASE_SECONDS, _STOP_SECONDS = 0.5, 3.0
LEASE_SECONDS = 86400


@dataclass(frozen=True)
class DhcpPlan:
    """``dns`` empty: guests ask the gateway, which asks the host's resolvers."""

    folder: Path
    bridge: str
    cidr: IPv4Network
    gateway: str
    dns: tuple[str, ...]
    mtu: int


@dataclass(frozen=True)
class Lease:
    """One port's promise. ``hostname`` is left out when it is not a valid one."""

    port_id: str
    mac: str
    address: str
    hostname: str = ""

    def line(self) -> str:
        parts = [self.mac, self.address]
        if _HOSTNAME.fullmatch(self.hostname):
            parts.append(self.hostname)
        return ",".join(parts) + "\n"


def ensure_dhcp(plan: DhcpPlan) -> None:
    """Have the server running with this plan. Raises AgentError ``network``."""
    files.ensure_folder(plan.folder)
    files.ensure_folder(plan.folder / "hosts")
    argv = arguments(plan)
    pid = server_pid(plan.folder)
    if pid is not None:
        if _command_line(pid)[1:] == argv:
            return
        _stop(pid)
    done = privileged.run("dnsmasq", argv)
    if done.status != 0:
        raise AgentError("network", f"dnsmasq did not start: {done.errors[:300]}", True)
    for made in (_leases(plan.folder), _pid_file(plan.folder)):
        made.chmod(0o640)


def is_whole(plan: DhcpPlan) -> bool:
    """Whether the server lives, with this plan, and can read its leases."""
    pid = server_pid(plan.folder)
    folder = plan.folder / "hosts"
    return pid is not None and _command_line(pid)[1:] == arguments(plan) and folder.is_dir()


def ensure_no_dhcp(folder: Path) -> None:
    pid = server_pid(folder)
    if pid is not None:
        _stop(pid)


def ensure_lease(plan: DhcpPlan, lease: Lease) -> None:
    """Promise the address to the port's MAC."""
    path = plan.folder / "hosts" / lease.port_id
    if files.read_text(path) == lease.line():
        return
    # A temporary name inside the folder would be read by dnsmasq as well.
    staged = plan.folder / f"{lease.port_id}.new"
    files.write(staged, lease.line().encode(), 0o640, files.qemu_group())
    staged.rename(path)
    _reread(plan.folder)


def ensure_no_lease(plan: DhcpPlan, lease: Lease) -> None:
    """Forget the promise, and the lease the guest may hold."""
    path = plan.folder / "hosts" / lease.port_id
    if files.is_plain(path):
        path.unlink()
        _reread(plan.folder)
    if not _holds(plan.folder, lease):
        return
    if server_pid(plan.folder) is not None:
        with suppress(OSError):
            release(plan.bridge, plan.gateway, lease.address, lease.mac)
        deadline = time.monotonic() + _RELEASE_SECONDS
        while time.monotonic() < deadline:
            if not _holds(plan.folder, lease):
                return
            time.sleep(0.01)
    _strike_out(plan, lease)


def leases(folder: Path) -> tuple[str, ...]:
    """Each promise as ``port_id mac address``."""
    found = []
    hosts = folder / "hosts"
    for path in sorted(hosts.iterdir()) if hosts.is_dir() else ():
        parts = (files.read_text(path) or "").strip().split(",")
        if is_id(path.name) and len(parts) >= 2:
            found.append(f"{path.name} {parts[0]} {parts[1]}")
    return tuple(found)


def server_pid(folder: Path) -> int | None:
    """The process id of the network's living dnsmasq."""
    text = (files.read_text(_pid_file(folder)) or "").strip()
    if not text.isdigit():
        return None
    pid = int(text)
    return pid if f"--pid-file={_pid_file(folder)}" in _command_line(pid) else None


def arguments(plan: DhcpPlan) -> list[str]:
    """dnsmasq's whole configuration."""
    options = [
        "--conf-file=/dev/null",
        f"--pid-file={_pid_file(plan.folder)}",
        "--user=dnsmasq",
        f"--group={_group_name()}",
        "--bind-interfaces",
        f"--interface={plan.bridge}",
        "--except-interface=lo",
        "--no-hosts",
        "--no-ping",
        "--quiet-dhcp",
        "--domain-needed",
        "--bogus-priv",
        "--dhcp-authoritative",
        "--dhcp-no-override",
        f"--dhcp-range={plan.cidr.network_address},static,{plan.cidr.netmask},{LEASE_SECONDS}",
        f"--dhcp-lease-max={plan.cidr.num_addresses}",
        f"--dhcp-hostsdir={plan.folder / 'hosts'}",
        f"--dhcp-leasefile={_leases(plan.folder)}",
        f"--dhcp-option=option:router,{plan.gateway}",
        f"--dhcp-option=option:mtu,{plan.mtu}",
    ]
    if plan.dns:
        options += ["--port=0", "--dhcp-option=option:dns-server," + ",".join(plan.dns)]
    else:
        options.append(f"--dhcp-option=option:dns-server,{plan.gateway}")
    return options


def _group_name() -> str:
    """dnsmasq reads the leases after giving up root, through folders of QEMU's group."""
    import grp

    return grp.getgrgid(files.qemu_group()).gr_name


def _pid_file(folder: Path) -> Path:
    return folder / "dnsmasq.pid"


def _leases(folder: Path) -> Path:
    return folder / "leases"


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def _reread(folder: Path) -> None:
    pid = server_pid(folder)
    if pid is not None:
        os.kill(pid, signal.SIGHUP)


def _holds(folder: Path, lease: Lease) -> bool:
    text = files.read_text(_leases(folder)) or ""
    return any(
        len(parts) >= 3 and (parts[1].lower() == lease.mac or parts[2] == lease.address)
        for parts in (line.split() for line in text.splitlines())
    )


def _strike_out(plan: DhcpPlan, lease: Lease) -> None:
    """Stop the server, take the line out of its file, start it again."""
    pid = server_pid(plan.folder)
    if pid is not None:
        _stop(pid)
    text = files.read_text(_leases(plan.folder)) or ""
    kept = [
        line
        for line in text.splitlines(keepends=True)
        if lease.mac not in line.lower().split() and lease.address not in line.split()
    ]
    try:
        files.write(_leases(plan.folder), "".join(kept).encode())
    finally:
        # Also on a full disk: the other guests need their addresses.
        if pid is not None:
            ensure_dhcp(plan)


def _stop(pid: int) -> None:
    """End the server and wait until its sockets are closed."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = select.poll()
    ended.register(process, select.POLLIN)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(process, number)
            if ended.poll(_STOP_SECONDS * 1000):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(process)
