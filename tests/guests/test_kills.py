"""kill -9 of every part, at bad moments: no guest stops, what was under way ends well."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support.boot_sector import ECHO, disk
from tests.support.guest_cloud import GuestCloud, is_active
from tests.support.guest_console import SerialConsole, VncConsole

pytestmark = pytest.mark.guests

# Seconds after the request: while it is placed, copied, plugged, built and booted.
MOMENTS = (0.0, 0.05, 0.12, 0.25, 0.5)


def large_image(cloud: GuestCloud, name: str) -> str:
    """An image no host has yet, large enough that copying it takes a while."""
    noise = os.urandom(1 << 20)
    return cloud.api.upload(name, disk(ECHO) + noise * 63)


def test_an_agent_killed_while_it_creates_ends_in_a_running_guest(cloud: GuestCloud) -> None:
    for number, moment in enumerate(MOMENTS):
        image_id = large_image(cloud, f"agent-{number}")
        server_id = cloud.api.create(f"echo-{number}", image_id)
        time.sleep(moment)
        cloud.kill("agent")
        cloud.api.wait(server_id, "ACTIVE")
        assert is_active(server_id)
        cloud.api.delete(server_id)


def test_a_controller_killed_while_it_creates_ends_in_a_running_guest(
    cloud: GuestCloud, echo: str
) -> None:
    for number, moment in enumerate(MOMENTS):
        server_id = cloud.api.create(f"foxtrot-{number}", echo)
        time.sleep(moment)
        cloud.kill_workers()
        cloud.api.wait(server_id, "ACTIVE")
        assert is_active(server_id)
        cloud.api.delete(server_id)


def test_deleting_wins_over_creating(cloud: GuestCloud) -> None:
    for number, moment in enumerate(MOMENTS):
        image_id = large_image(cloud, f"gone-{number}")
        server_id = cloud.api.create(f"golf-{number}", image_id)
        cloud.tap_of(server_id)
        time.sleep(moment)
        cloud.api.delete(server_id)
        cloud.api.wait_gone(server_id)
        assert cloud.left_of(server_id) == []


def test_a_new_console_opens_after_the_proxy_was_killed(cloud: GuestCloud, echo: str) -> None:
    server_id = cloud.api.create("hotel", echo)
    cloud.api.wait(server_id, "ACTIVE")
    with VncConsole(cloud.api, server_id):
        cloud.kill("proxy")
    cloud.wait_answering()
    with VncConsole(cloud.api, server_id) as screen:
        assert screen.picture()
    assert is_active(server_id)


def test_an_open_console_goes_on_while_the_controller_is_killed(
    cloud: GuestCloud, echo: str
) -> None:
    server_id = cloud.api.create("india", echo)
    cloud.api.wait(server_id, "ACTIVE")
    with (
        VncConsole(cloud.api, server_id) as screen,
        SerialConsole(cloud.api, server_id) as serial,
    ):
        serial.send(b"before")
        serial.read_until(b"before")
        before = screen.picture()
        cloud.kill_workers()
        serial.send(b"after")
        serial.read_until(b"after")
        screen.press(0x61)
        assert len(screen.picture()) == len(before)
    assert is_active(server_id)


def test_stopping_the_cloud_leaves_its_guests_and_the_next_start_finds_them(
    cloud: GuestCloud, echo: str
) -> None:
    server_id = cloud.api.create("juliett", echo)
    address = cloud.api.address(cloud.api.wait(server_id, "ACTIVE"))
    assert cloud.stop(signal.SIGTERM) == 0
    assert is_active(server_id)
    cloud.start()
    assert cloud.api.address(cloud.api.wait(server_id, "ACTIVE")) == address
    with SerialConsole(cloud.api, server_id) as serial:
        serial.send(b"still here")
        serial.read_until(b"still here")
