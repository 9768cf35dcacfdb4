"""A network's bridge and the taps on it.

Looks first, with what the kernel shows in /sys and two ioctls, and asks
``links`` to change something only when something differs: on a host where all
is in place this costs microseconds and no process.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from agents import privileged
from agents.errors import AgentError

_SYS = Path("/sys/class/net")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_GET_ADDRESS, _GET_NETMASK = 0x8915, 0x891B
_UP = 0x1


@dataclass(frozen=True)
class BridgePlan:
    """``gateway`` is the host's own address on the bridge, inside ``cidr``."""

    name: str
    cidr: IPv4Network
    gateway: IPv4Interface
    mtu: int


def ensure_bridge(plan: BridgePlan) -> None:
    """Have the bridge up, without spanning tree, with its address. Raises AgentError."""
    if not is_whole(plan):
        _change(
            {
                "do": "bridge",
                "name": plan.name,
                "mtu": plan.mtu,
                "address": str(plan.gateway.ip),
                "prefix": plan.cidr.prefixlen,
                "broadcast": str(plan.cidr.broadcast_address),
            }
        )
    if _FORWARDING.read_text().strip() != "1":
        _FORWARDING.write_text("1")


def plug(device: str, bridge: str) -> None:
    """Have the device on the bridge. Raises AgentError."""
    _change({"do": "plug", "name": device, "bridge": bridge})


def ensure_no_device(name: str) -> None:
    """Remove a bridge or tap; fine when it is not there."""
    if exists(name):
        _change({"do": "delete", "name": name})


def is_whole(plan: BridgePlan) -> bool:
    """Whether the bridge is there, up and as planned."""
    base = _SYS / plan.name
    try:
        return (
            (base / "bridge/stp_state").read_text().strip() == "0"
            and (base / "bridge/forward_delay").read_text().strip() == "0"
            and int((base / "mtu").read_text()) == plan.mtu
            and bool(int((base / "flags").read_text(), 16) & _UP)
            and _address_of(plan.name) == (str(plan.gateway.ip), str(plan.cidr.netmask))
        )
    except OSError:
        return False


def exists(name: str) -> bool:
    return (_SYS / name).exists()


def devices(prefix: str) -> tuple[str, ...]:
    """Names of devices that look like ours: the prefix and 11 hex digits."""
    found = []
    for item in _SYS.iterdir():
        rest = item.name.removeprefix(prefix)
        if rest != item.name and len(rest) == 11 and set(rest) <= set("0123456789abcdef"):
            found.append(item.name)
    return tuple(sorted(found))


def bridge_of(name: str) -> str | None:
    """The bridge a device is plugged into; None when it is in none, or gone."""
    try:
        return (_SYS / name / "master").readlink().name
    except OSError:
        return None


def _address_of(name: str) -> tuple[str, str]:
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        address = fcntl.ioctl(sock.fileno(), _GET_ADDRESS, request)[20:24]
        netmask = fcntl.ioctl(sock.fileno(), _GET_NETMASK, request)[20:24]
    return socket.inet_ntoa(address), socket.inet_ntoa(netmask)


def _change(request: dict[str, object]) -> None:
    done = privileged.run("links", (), stdin=json.dumps(request))
    if done.status != 0:
        raise AgentError("network", f"{request['name']}: {done.errors[:300]}", retryable=True)
