"""How soon what happens to a real guest behind our back is seen, or put right by itself.

The deeds are those of ``tests/guests/test_drift.py``, on a cloud that looks as
often as every cloud does.  Power is told by libvirt's events, all else is
found by the host's own survey; the slowest of each kind is the figure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import libvirt

from benchmarks.figure import Figure
from tests.guests.test_drift import kinds, mended, shown, status
from tests.support.boot_sector import ECHO, disk
from tests.support.guest_cloud import GuestCloud, qemu_pid
from tests.support.libvirt_daemon import URI
from tests.support.stock_api import wait_for

PATIENCE = 120.0
LOOK_SECONDS = 0.05


def measure(cloud: GuestCloud) -> Iterator[Figure]:
    api = cloud.api
    server_id = api.create("drifting", api.upload("drifting", disk(ECHO)))
    api.wait(server_id, "ACTIVE")
    power = _power(cloud, server_id)
    others = _others(cloud, server_id)
    api.delete(server_id)
    api.wait_gone(server_id)
    yield _slowest("drift_power", "a guest that went off is shown so", power, 2)
    yield _slowest("drift", "anything else is seen or put right", others, 30)


def _power(cloud: GuestCloud, server_id: str) -> dict[str, float]:
    found = {}
    with libvirt.open(URI) as connection:
        deeds: dict[str, Callable[[], object]] = {
            "QEMU killed": lambda: os.kill(qemu_pid(server_id), signal.SIGKILL),
            "domain destroyed": lambda: connection.lookupByUUIDString(server_id).destroy(),
        }
        for name, deed in deeds.items():
            deed()
            found[name] = _seconds(lambda: status(cloud, server_id) == "SHUTOFF")
            cloud.api.act(server_id, "os-start")
            cloud.api.wait(server_id, "ACTIVE")
    return found


def _others(cloud: GuestCloud, server_id: str) -> dict[str, float]:
    found = {}
    with libvirt.open(URI) as connection:
        connection.lookupByUUIDString(server_id).undefine()
        found["domain undefined"] = _seconds(
            lambda: bool(connection.lookupByUUIDString(server_id).isPersistent())
        )
    (network,) = (cloud.state / "agent" / "networks").iterdir()
    table = f"webcloud_nat_{network.name.replace('-', '')}"
    deeds: dict[str, Callable[[], object]] = {
        "bridge": lambda: _run("ip", "link", "del", cloud.bridge()),
        "rules": lambda: _run("nft", "delete", "table", "ip", table),
        "dhcp": lambda: os.kill(int((network / "dnsmasq.pid").read_text()), signal.SIGKILL),
    }
    for name, deed in deeds.items():
        before = mended(cloud, name)
        deed()
        found[f"{name} gone"] = _seconds(
            lambda name=name, before=before: mended(cloud, name) > before  # type: ignore[misc]
        )
    kept = cloud.folder(server_id) / "disk"
    aside = kept.with_name("kept")
    kept.rename(aside)
    found["disk gone"] = _seconds(lambda: "disk_missing" in kinds(cloud))
    aside.rename(kept)
    wait_for(lambda: not shown(cloud), PATIENCE, "the difference does not go")
    _run("ip", "link", "del", cloud.tap_of(server_id))
    found["tap gone"] = _seconds(lambda: "tap_missing" in kinds(cloud))
    return found


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _seconds(condition: Callable[[], object]) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE:
            raise AssertionError("it is not seen")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def _slowest(name: str, words: str, found: dict[str, float], reach: float) -> Figure:
    detail = ", ".join(f"{what} {seconds:.1f}" for what, seconds in found.items())
    return Figure(name, words, max(found.values()), "s", reach, detail=detail)
