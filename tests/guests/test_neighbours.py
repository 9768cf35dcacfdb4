"""S53 and the network: guests see each other, and of the host only what they need."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.support.guest_cloud import GuestCloud
from tests.support.guest_console import SerialConsole
from tests.support.netns import NetnsGuest
from tests.support.stock_api import wait_for

pytestmark = pytest.mark.guests


def test_two_instances_see_each_other(cloud: GuestCloud, demo: str) -> None:
    api = cloud.api
    one, two = api.create("november", demo), api.create("oscar", demo)
    there = api.address(api.wait(two, "ACTIVE"))
    for server_id in (one, two):
        wait_for(
            lambda each=server_id: "demo ready" in api.console_log(each),  # type: ignore[misc]
            120,
            "a guest has not come up",
        )
    with SerialConsole(api, one) as serial:
        serial.send(f"ping -c 2 -W 5 {there} | grep -c 'ttl='\n".encode())
        serial.read_until(b"\r\n2\r\n", 30)


def test_a_guest_reaches_the_host_for_dhcp_names_and_ping_alone(
    cloud: GuestCloud, echo: str
) -> None:
    cloud.api.wait(cloud.api.create("papa", echo), "ACTIVE")
    gateway, unused = str(cloud.network[1]), cloud.network[250]
    with (
        socket.create_server(("0.0.0.0", 0)) as listener,
        NetnsGuest(cloud.bridge(), "fa:16:3e:00:00:fa") as guest,
    ):
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        guest.configure(f"{unused}/24", gateway)
        assert guest.pings(gateway)
        assert guest.reaches(gateway, 53)
        # The service is there for the host itself, and closed to the guest.
        socket.create_connection((gateway, port), timeout=5).close()
        assert not guest.reaches(gateway, port)
        assert not guest.reaches(gateway, 22)
        assert not guest.reaches(gateway, cloud.port)


def _accept(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return
