"""A guest as far as the network is concerned: a namespace with one card on a bridge."""

from __future__ import annotations

import re
import secrets
import subprocess
from pathlib import Path


class NetnsGuest:
    """``with NetnsGuest(bridge, mac) as guest:``; busybox asks for the address.

    ``outer`` names the host's end of its cable, as the tap of a real guest would be named.
    """

    def __init__(self, bridge: str, mac: str, outer: str = "") -> None:
        token = secrets.token_hex(3)
        self.name = f"wctest{token}"
        self._outer = outer or f"wct{token}o"
        self._bridge = bridge
        self._mac = mac

    def __enter__(self) -> NetnsGuest:
        _ip("netns", "add", self.name)
        inner = f"wct{self.name[-6:]}i"
        _ip("link", "add", self._outer, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", self.name, "name", "eth0", "address", self._mac)
        _ip("link", "set", self._outer, "master", self._bridge, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        # The card goes first: a namespace without a name would keep it for a while.
        subprocess.run(["ip", "link", "del", self._outer], check=False, capture_output=True)
        _ip("netns", "del", self.name)

    def run(self, *argv: str, seconds: float = 10) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *argv],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def dhcp(self, script_dir: Path, tries: int = 4) -> dict[str, str]:
        """What the DHCP server gave, in busybox's words; empty when it gave nothing."""
        script = script_dir / "udhcpc.sh"
        given = script_dir / f"{self.name}.lease"
        script.write_text(f'#!/bin/sh\n[ "$1" = bound ] && env > {given}\nexit 0\n')
        script.chmod(0o755)
        self.run(
            "busybox", "udhcpc", "-f", "-n", "-q", "-i", "eth0", "-t", str(tries), "-T", "1",
            "-x", "hostname:guest", "-O", "mtu", "-s", str(script), seconds=tries * 2 + 10,
        )  # fmt: skip
        if not given.exists():
            return {}
        lines = given.read_text().splitlines()
        given.unlink()
        return dict(line.split("=", 1) for line in lines if re.match(r"[a-z]+=", line))

    def configure(self, address: str, gateway: str) -> None:
        self.run("ip", "addr", "add", address, "dev", "eth0")
        self.run("ip", "route", "add", "default", "via", gateway)

    def reaches(self, address: str, port: int) -> bool:
        """Whether a TCP connection is made."""
        done = self.run("busybox", "nc", "-w", "1", address, str(port), "-e", "true")
        return done.returncode == 0

    def pings(self, address: str) -> bool:
        return self.run("ping", "-c", "1", "-W", "1", address).returncode == 0


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
