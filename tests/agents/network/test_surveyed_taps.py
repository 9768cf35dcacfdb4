"""Which taps a survey tells of: those on our bridges, and those on none that nobody else has."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents import survey
from agents.compute import definitions
from agents.compute.domain_xml import GuestFiles, HostFacts, build
from agents.errors import AgentError
from agents.libvirt_host import Guest, LibvirtHost
from agents.network.networks import Networks
from agents.wire.commands import Domain, Interface, tap_name
from tests.support.two_agents import hosts

__all__ = ["hosts"]

PORT, BRIDGE = "0123abcd-e990-4000-8000-000000000000", "br0123abcde99"
TAP = tap_name(PORT)
FILES = GuestFiles("/nowhere/disk", "/nowhere/console.log")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", "link", *arguments], check=True, capture_output=True)


def add_tap(name: str) -> None:
    argv = ["ip", "tuntap", "add", "dev", name, "mode", "tap"]
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def tap() -> Iterator[str]:
    """A device named like a tap, plugged in nowhere."""
    add_tap(TAP)
    try:
        yield TAP
    finally:
        subprocess.run(["ip", "link", "del", TAP], check=False, capture_output=True)


@pytest.fixture
def foreign_bridge() -> Iterator[str]:
    """A bridge of another installation."""
    ip("add", BRIDGE, "type", "bridge")
    try:
        yield BRIDGE
    finally:
        ip("del", BRIDGE)


@pytest.fixture
def while_it_waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something happen between the survey's two looks."""

    def happens(what: Callable[[], None]) -> None:
        monkeypatch.setattr(survey.time, "sleep", lambda _seconds: what())

    return happens


@pytest.fixture
def told(tmp_path: Path, hosts: tuple[LibvirtHost, LibvirtHost]) -> Callable[[], set[str]]:
    """The taps that the first of the two hosts tells of."""
    return lambda: set(survey._taps(hosts[0], Networks(tmp_path / "networks")))


@contextmanager
def guest_with_the_tap(host: LibvirtHost) -> Iterator[None]:
    card = Interface(PORT, "fa:16:3e:00:00:01", BRIDGE)
    domain = Domain(str(uuid.uuid4()), "named", "project", 1, 64, 1, interfaces=(card,))
    xml = build(domain, HostFacts("qemu", "x86_64"), FILES, host.owner)
    guest = host.define(xml.replace('type="qemu"', 'type="test"', 1))
    try:
        yield
    finally:
        guest.undefine()


def test_a_tap_that_stays_on_no_bridge_is_told(
    told: Callable[[], set[str]], tap: str, while_it_waits: Callable[[Callable[[], None]], None]
) -> None:
    while_it_waits(lambda: None)
    assert tap in told()


def test_one_that_is_just_being_plugged_in_elsewhere_is_not(
    told: Callable[[], set[str]],
    tap: str,
    foreign_bridge: str,
    while_it_waits: Callable[[Callable[[], None]], None],
) -> None:
    while_it_waits(lambda: ip("set", tap, "master", foreign_bridge))
    assert tap not in told()


def test_nor_is_one_that_is_just_being_removed(
    told: Callable[[], set[str]], tap: str, while_it_waits: Callable[[Callable[[], None]], None]
) -> None:
    while_it_waits(lambda: ip("del", tap))
    assert tap not in told()


def test_nor_one_that_came_after_the_first_look(
    told: Callable[[], set[str]], tap: str, while_it_waits: Callable[[Callable[[], None]], None]
) -> None:
    later = "tap0123abcde88"
    try:
        while_it_waits(lambda: add_tap(later))
        assert later not in told()
    finally:
        ip("del", later)


def test_taps_of_another_installation_are_left_out(
    told: Callable[[], set[str]], tap: str, foreign_bridge: str
) -> None:
    ip("set", tap, "master", foreign_bridge)
    assert tap not in told()


def test_nor_is_one_of_their_guests_whose_bridge_is_being_mended(
    told: Callable[[], set[str]],
    hosts: tuple[LibvirtHost, LibvirtHost],
    tap: str,
    while_it_waits: Callable[[Callable[[], None]], None],
) -> None:
    while_it_waits(lambda: None)
    with guest_with_the_tap(hosts[1]):
        assert tap not in told()
    with guest_with_the_tap(hosts[0]):
        assert tap in told(), "our own guest's is told"


def test_nor_one_that_went_with_their_guest(
    told: Callable[[], set[str]],
    tap: str,
    while_it_waits: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone_by_now(_host: LibvirtHost) -> set[str]:
        ip("del", tap)
        return set()

    while_it_waits(lambda: None)
    monkeypatch.setattr(survey, "_of_others", gone_by_now)
    assert tap not in told()


def test_their_guest_that_cannot_be_read_does_not_end_the_survey(
    told: Callable[[], set[str]],
    hosts: tuple[LibvirtHost, LibvirtHost],
    tap: str,
    while_it_waits: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(_guest: Guest) -> set[str]:
        raise AgentError("libvirt", "reading a domain's description: no domain", True)

    while_it_waits(lambda: None)
    monkeypatch.setattr(definitions, "taps", unreadable)
    with guest_with_the_tap(hosts[1]):
        assert tap in told()
