"""What happens to a real guest and its surroundings behind our back shows by itself.

The times from the deed to its being shown are measured and printed; how long
may pass is bounded only by what a loaded machine needs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import libvirt
import pytest

from tests.support.guest_cloud import GuestCloud, domain, is_active, remove_domain
from tests.support.libvirt_daemon import URI
from tests.support.stock_api import wait_for

pytestmark = pytest.mark.guests

PATIENCE = 60.0
UNKNOWN = "77777777-7777-4777-8777-777777777777"


@pytest.fixture
def guest(cloud: GuestCloud, echo: str) -> Iterator[str]:
    """A running instance; whatever is left of its drift must be gone at the end."""
    server_id = cloud.api.create("drifting", echo)
    cloud.api.wait(server_id, "ACTIVE")
    yield server_id


def lines(cloud: GuestCloud) -> list[str]:
    """What verify prints, when it finds something."""
    return [line for line in cloud.run("verify").stdout.splitlines() if line.startswith("I")]


def shown(cloud: GuestCloud) -> list[tuple[str, str]]:
    """(kind, subject) of the differences that the pages show."""
    import sqlite3

    path = cloud.state / "controller" / "webcloud.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        return list(database.execute("SELECT kind, subject FROM drift ORDER BY id"))


def measured(what: str, condition: Callable[[], object]) -> None:
    began = time.monotonic()
    wait_for(condition, PATIENCE, f"{what}; shown: {condition}")
    print(f"drift: {what}: {time.monotonic() - began:.2f} s")


def kinds(cloud: GuestCloud) -> set[str]:
    return {kind for kind, _ in shown(cloud)}


def status(cloud: GuestCloud, server_id: str) -> str:
    found: str = cloud.api.show(server_id)["status"]
    return found


def mended(cloud: GuestCloud, what: str) -> int:
    """How often the host has said that it mended this."""
    import sqlite3

    path = cloud.state / "controller" / "webcloud.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        query = "SELECT count(*) FROM audit_entry WHERE action = 'host.repair' AND detail LIKE ?"
        (count,) = database.execute(query, (f'%"{what}"%',)).fetchone()
    return int(count)


def test_power_that_was_taken_shows_within_two_seconds_and_is_left_so(
    cloud: GuestCloud, guest: str
) -> None:
    found = domain(guest)
    assert found is not None
    pid = int(Path(f"/run/libvirt/qemu/{found.name()}.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    measured("QEMU killed, shown as stopped", lambda: status(cloud, guest) == "SHUTOFF")
    cloud.api.act(guest, "os-start")
    cloud.api.wait(guest, "ACTIVE")
    with libvirt.open(URI) as connection:
        connection.lookupByUUIDString(guest).destroy()
        measured("domain destroyed, shown as stopped", lambda: status(cloud, guest) == "SHUTOFF")
    time.sleep(3)
    assert not is_active(guest)


def test_a_definition_that_was_lost_is_written_again_and_nothing_is_started(
    cloud: GuestCloud, guest: str
) -> None:
    with libvirt.open(URI) as connection:
        connection.lookupByUUIDString(guest).undefine()

        def defined_again() -> bool:
            return bool(connection.lookupByUUIDString(guest).isPersistent())

        measured("running domain undefined, defined again", defined_again)
        assert is_active(guest)
        connection.lookupByUUIDString(guest).destroy()
        connection.lookupByUUIDString(guest).undefine()
    measured("domain gone, defined again", lambda: domain(guest) is not None)
    cloud.api.wait(guest, "SHUTOFF", PATIENCE)
    assert not is_active(guest)
    wait_for(lambda: not shown(cloud), PATIENCE, "the difference does not go")
    assert lines(cloud) == []
    cloud.api.act(guest, "os-start")
    cloud.api.wait(guest, "ACTIVE")


def test_a_lost_disk_is_flagged_and_never_made_anew(cloud: GuestCloud, guest: str) -> None:
    disk = cloud.folder(guest) / "disk"
    kept = disk.with_name("kept-by-the-test")
    os.link(disk, kept)
    disk.unlink()
    measured("disk removed, flagged", lambda: ("disk_missing", guest) in shown(cloud))
    assert any(line.startswith("I14") and guest in line for line in lines(cloud))
    refused = cloud.api.act(guest, "reboot", {"type": "HARD"}, status=409)
    assert "is not on its host" in str(refused)
    assert is_active(guest), "it runs on until it is stopped"
    remove_domain(guest)
    measured("and its domain gone, flagged", lambda: "domain_missing" in kinds(cloud))
    time.sleep(3)
    assert domain(guest) is None
    assert not disk.exists()
    kept.rename(disk)
    measured("disk back, domain defined again", lambda: domain(guest) is not None)
    cloud.api.wait(guest, "SHUTOFF", PATIENCE)
    wait_for(lambda: not shown(cloud), PATIENCE, "the difference does not go")


def test_a_tap_that_was_pulled_is_flagged_until_a_hard_reboot(
    cloud: GuestCloud, guest: str
) -> None:
    tap = cloud.tap_of(guest)
    subprocess.run(["ip", "link", "del", tap], check=True)
    measured("tap deleted, flagged", lambda: "tap_missing" in kinds(cloud))
    assert any(line.startswith("I18") for line in lines(cloud))
    cloud.api.act(guest, "reboot", {"type": "HARD"})
    cloud.api.wait(guest, "ACTIVE")
    measured("hard reboot, plugged in again", lambda: not shown(cloud))
    assert Path(f"/sys/class/net/{tap}").exists()


def test_a_description_that_was_edited_is_flagged_until_a_hard_reboot(
    cloud: GuestCloud, guest: str
) -> None:
    assert lines(cloud) == []
    with libvirt.open(URI) as connection:
        found = connection.lookupByUUIDString(guest)
        found.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
        measured("description edited, flagged", lambda: ("definition", guest) in shown(cloud))
    printed = lines(cloud)
    assert [line[:3] for line in printed] == ["I11"], printed
    assert "vCPUs" in printed[0]
    assert is_active(guest), "what runs is left alone"
    cloud.api.act(guest, "reboot", {"type": "HARD"})
    cloud.api.wait(guest, "ACTIVE")
    wait_for(lambda: not shown(cloud), PATIENCE, "the difference does not go")
    assert lines(cloud) == []


def test_the_network_under_a_guest_is_mended_without_its_noticing(
    cloud: GuestCloud, guest: str
) -> None:
    bridge, tap = cloud.bridge(), cloud.tap_of(guest)
    (network,) = (cloud.state / "agent" / "networks").iterdir()
    table = f"webcloud_nat_{network.name.replace('-', '')}"
    deeds: list[tuple[str, Callable[[], Any]]] = [
        ("bridge", lambda: subprocess.run(["ip", "link", "del", bridge], check=True)),
        ("rules", lambda: subprocess.run(["nft", "delete", "table", "ip", table], check=True)),
        ("dhcp", lambda: os.kill(int((network / "dnsmasq.pid").read_text()), signal.SIGKILL)),
    ]
    for what, deed in deeds:
        before = mended(cloud, what)
        deed()
        measured(
            f"{what} gone, mended and told",
            lambda what=what, before=before: mended(cloud, what) > before,
        )
    master = Path(f"/sys/class/net/{tap}/master").readlink().name
    assert master == bridge
    assert lines(cloud) == []
    assert shown(cloud) == []


def test_a_lease_that_was_removed_is_promised_again(cloud: GuestCloud, guest: str) -> None:
    (lease,) = (cloud.state / "agent" / "networks").glob("*/hosts/*")
    text = lease.read_text()
    lease.unlink()
    measured("lease removed, promised again", lambda: lease.exists() and lease.read_text() == text)
    wait_for(lambda: not shown(cloud), PATIENCE, "the difference does not go")


def test_an_unknown_domain_and_an_unknown_disk_are_flagged_and_left_alone(
    cloud: GuestCloud, guest: str
) -> None:
    folder = cloud.folder(UNKNOWN)
    folder.mkdir()
    (folder / "disk").write_bytes(b"somebody's data")
    xml = (
        f"<domain type='qemu'><name>{escape('by-hand')}</name><memory>65536</memory>"
        "<os><type>hvm</type></os></domain>"
    )
    with libvirt.open(URI) as connection:
        stranger = connection.defineXML(xml)
        try:
            measured("unknown domain, flagged", lambda: "domain_unknown" in kinds(cloud))
            measured("unknown disk, flagged", lambda: ("files_unowned", UNKNOWN) in shown(cloud))
            printed = lines(cloud)
            assert any("by-hand" in line for line in printed), printed
            assert any(UNKNOWN in line for line in printed), printed
            assert stranger.name() == "by-hand"
            assert (folder / "disk").read_bytes() == b"somebody's data"
        finally:
            stranger.undefine()
            (folder / "disk").unlink()
            folder.rmdir()
    wait_for(lambda: not shown(cloud), PATIENCE, "the differences do not go")
