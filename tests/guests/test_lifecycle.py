"""An instance from its creation to its end, on real QEMU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import websocket

from tests.support.guest_cloud import GuestCloud, domain
from tests.support.guest_console import SerialConsole, VncConsole, connect, link
from tests.support.stock_api import wait_for

pytestmark = pytest.mark.guests

READY = "webcloud demo ready"


def pings(address: str) -> bool:
    argv = ["ping", "-c", "1", "-W", "1", address]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_an_instance_lives_from_create_to_delete(cloud: GuestCloud, demo: str) -> None:
    api = cloud.api
    server_id = api.create("alpha", demo)
    server = api.wait(server_id, "ACTIVE")
    tap = cloud.tap_of(server_id)
    assert Path(f"/sys/class/net/{tap}").exists()

    wait_for(lambda: READY in api.console_log(server_id), 120, "the guest has not come up")
    said = api.console_log(server_id)
    address = api.address(server)
    assert f"{READY}: alpha {address}" in said
    assert f"metadata: instance id {server_id}" in said
    assert pings(address)

    with VncConsole(api, server_id) as screen:
        assert screen.greeting == b"RFB 003.008\n"
        assert len(set(screen.picture())) > 1, "the guest has drawn nothing"
    with SerialConsole(api, server_id) as serial:
        serial.send(b"echo $((6*7))-$(hostname)\n")
        serial.read_until(b"42-alpha")

    api.delete(server_id)
    api.wait_gone(server_id)
    assert cloud.left_of(server_id) == []
    assert not pings(address)


def test_a_console_link_is_good_once(cloud: GuestCloud, echo: str) -> None:
    api = cloud.api
    server_id = api.create("once", echo)
    api.wait(server_id, "ACTIVE")
    url = link(api, server_id, "vnc")
    with VncConsole(api, server_id, url):
        pass
    assert closing_words(url) == "token_used"


def test_stopping_asks_the_guest_and_starting_brings_it_back_with_its_address(
    cloud: GuestCloud, demo: str
) -> None:
    api = cloud.api
    server_id = api.create("bravo", demo)
    address = api.address(api.wait(server_id, "ACTIVE"))
    wait_for(lambda: READY in api.console_log(server_id), 120, "the guest has not come up")

    api.act(server_id, "os-stop")
    api.wait(server_id, "SHUTOFF", 30)
    assert "power button pressed" in api.console_log(server_id)
    cloud.verify()
    assert domain(server_id) is not None

    api.act(server_id, "os-start")
    assert api.address(api.wait(server_id, "ACTIVE")) == address
    wait_for(lambda: pings(address), 120, "the guest does not answer at its old address")

    stale = link(api, server_id, "vnc")
    api.act(server_id, "reboot", {"type": "SOFT"})
    api.wait(server_id, "ACTIVE")
    assert api.console_log(server_id).count("power button pressed") == 2
    assert closing_words(stale) == "wrong_boot"
    wait_for(lambda: pings(address), 120, "the guest did not come back from a soft reboot")

    stale = link(api, server_id, "vnc")
    api.act(server_id, "reboot", {"type": "HARD"})
    api.wait(server_id, "ACTIVE")
    assert api.console_log(server_id).count("power button pressed") == 2
    assert closing_words(stale) == "wrong_boot"
    with VncConsole(api, server_id) as screen:
        assert screen.picture()


def closing_words(url: str) -> str:
    """Why the console at this link was closed."""
    sock = connect(url)
    try:
        opcode, data = sock.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE, "the console opened"
        return bytes(data[2:]).decode()
    finally:
        sock.close(timeout=0)
