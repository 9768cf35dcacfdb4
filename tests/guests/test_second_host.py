"""A second real host: it joins by the printed command, runs guests, falls silent, and leaves."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.guest_cloud import GuestCloud, domain, is_active
from tests.support.second_host import SecondHost
from tests.support.stock_api import wait_for

pytestmark = pytest.mark.guests

READY = "webcloud demo ready"


@pytest.fixture(scope="module")
def second() -> Iterator[SecondHost]:
    with SecondHost("n2") as host:
        yield host


@pytest.fixture(scope="module")
def printed(running: GuestCloud) -> str:
    """What ``webcloud host add n2`` printed."""
    done = running.run("host", "add", "n2")
    assert done.returncode == 0, done.stderr
    assert "as root" in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def running(second: SecondHost) -> Iterator[GuestCloud]:
    """A cloud that listens where the second host reaches it."""
    cloud = GuestCloud(address=second.controller_address)
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.end()


@pytest.fixture(scope="module")
def joined(running: GuestCloud, second: SecondHost, printed: str) -> str:
    """The second host has joined by that very command; its id."""
    log = second.base / "join.log"
    process = second.launch("sh", given=printed, log=log)
    wait_for(
        lambda: "serves" in log.read_text() or process.poll() is not None, 120, "it has not joined"
    )
    assert process.poll() is None, log.read_text()
    wait_for(lambda: hypervisor(running).get("vcpus"), 60, log.read_text())
    return str(hypervisor(running)["id"])


def hypervisor(cloud: GuestCloud) -> dict[str, Any]:
    """The second host as older clients see it; empty before it has joined."""
    cloud.api.http.headers["OpenStack-API-Version"] = "compute 2.87"
    found = cloud.api.call("GET", "/compute/v2.1/os-hypervisors/detail")["hypervisors"]
    cloud.api.http.headers["OpenStack-API-Version"] = "compute 2.96"
    return next((each for each in found if each["hypervisor_hostname"] == "n2"), {})


def service(cloud: GuestCloud) -> dict[str, Any]:
    found: list[dict[str, Any]] = cloud.api.call("GET", "/compute/v2.1/os-services?host=n2")[
        "services"
    ]
    return found[0]


def test_it_joins_by_the_printed_command_and_shows_what_it_is(
    running: GuestCloud, second: SecondHost, joined: str, printed: str
) -> None:
    shown = hypervisor(running)
    assert (shown["state"], shown["host_ip"]) == ("up", second.address)
    assert shown["hypervisor_version"] > 0
    token = printed.splitlines()[1]
    for pid in second.pids():
        assert token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    private = [second.base / "webcloud" / "agent" / name for name in ("credential", "agent.env")]
    assert [path.stat().st_mode & 0o777 for path in private] == [0o600, 0o600]
    again = second.run("sh", given=printed, seconds=120)
    assert again.returncode == 3
    assert "has been used already" in again.stderr
    assert joined
    running.verify()


def test_an_instance_lives_on_it_and_leaves_nothing(
    running: GuestCloud, second: SecondHost, joined: str
) -> None:
    api = running.api
    before = second.links()
    server_id = api.create("far", api.image("demo")["id"], availability_zone="nova:n2")
    server = api.wait(server_id, "ACTIVE")
    assert server["OS-EXT-SRV-ATTR:host"] == "n2"
    assert server_id in second.domains()
    assert domain(server_id) is None, "it runs on the first host, too"
    wait_for(lambda: READY in api.console_log(server_id), 180, "the guest has not come up")
    assert second.folder_of(server_id).exists()
    running.verify()
    api.delete(server_id)
    api.wait_gone(server_id)
    assert second.domains() == set()
    assert not second.folder_of(server_id).exists()
    assert {name for name in second.links() - before if name.startswith("tap")} == set()
    running.verify()


def test_its_silence_is_seen_and_blocks_nothing(
    running: GuestCloud, second: SecondHost, joined: str
) -> None:
    api = running.api
    demo = api.image("demo")["id"]
    kept, doomed = (
        api.create(name, demo, availability_zone="nova:n2") for name in ("kept", "doomed")
    )
    for server_id in (kept, doomed):
        api.wait(server_id, "ACTIVE")
    second.signal_agents(signal.SIGSTOP)
    try:
        began = time.monotonic()
        wait_for(lambda: service(running)["state"] == "down", 20, "its silence is not seen")
        wait_for(lambda: api.show(kept)["status"] == "UNKNOWN", 20, "the instance is not unknown")
        assert time.monotonic() - began < 20
        refused = api.call("POST", action(kept), {"os-getConsoleOutput": {}}, status=503)
        assert "not heard from" in str(refused)
        refused = api.call(
            "POST",
            f"/compute/v2.1/servers/{kept}/remote-consoles",
            {"remote_console": {"protocol": "vnc", "type": "novnc"}},
            status=409,
        )
        assert "not heard from" in str(refused)
        api.delete(doomed)
        assert api.show(doomed)["OS-EXT-STS:task_state"] == "deleting"
        elsewhere = api.create("elsewhere", demo)
        assert api.wait(elsewhere, "ACTIVE")["OS-EXT-SRV-ATTR:host"] != "n2"
        wanted = {
            "server": {
                "name": "nowhere",
                "imageRef": demo,
                "flavorRef": api.flavor("tiny"),
                "networks": "auto",
                "availability_zone": "nova:n2",
            }
        }
        api.call("POST", "/compute/v2.1/servers", wanted, status=409)
        assert {kept, doomed} <= second.domains()
    finally:
        second.signal_agents(signal.SIGCONT)
    wait_for(lambda: service(running)["state"] == "up", 30, "it is not seen to be back")
    assert api.wait(kept, "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "n2"
    api.wait_gone(doomed)
    assert second.domains() == {kept}
    running.verify()
    running.delete_all()


def test_draining_it_moves_its_guests_to_the_first_host(
    running: GuestCloud, second: SecondHost, joined: str
) -> None:
    api = running.api
    server_id = api.create("moved", api.image("demo")["id"], availability_zone="nova:n2")
    address = api.address(api.wait(server_id, "ACTIVE"))
    told = running.run("host", "drain", "n2", "--yes")
    assert told.returncode == 0, told.stderr
    assert "moved  to " in told.stdout
    wait_for(lambda: "Drained" in running.run("host", "show", "n2").stdout, 180, "not empty")
    server = api.wait(server_id, "ACTIVE")
    assert server["OS-EXT-SRV-ATTR:host"] != "n2"
    assert api.address(server) == address
    assert second.domains() == set()
    assert is_active(server_id)
    running.verify()
    assert running.run("host", "enable", "n2").returncode == 0
    running.delete_all()


def test_removing_it_needs_it_empty_and_leaves_no_trace(
    running: GuestCloud, second: SecondHost, joined: str
) -> None:
    api = running.api
    server_id = api.create("last", api.image("demo")["id"], availability_zone="nova:n2")
    api.wait(server_id, "ACTIVE")
    refused = running.run("host", "remove", "n2")
    assert refused.returncode == 1
    assert "1 instances" in refused.stderr
    api.delete(server_id)
    api.wait_gone(server_id)
    api.call("DELETE", f"/compute/v2.1/os-services/{joined}", status=204)
    names = [each["host"] for each in api.call("GET", "/compute/v2.1/os-services")["services"]]
    assert "n2" not in names
    running.verify()


def action(server_id: str) -> str:
    return f"/compute/v2.1/servers/{server_id}/action"
