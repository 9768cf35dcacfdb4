"""Which taps a survey tells of: those on our bridges, and those that stay on none."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents import survey
from agents.network.networks import Networks

TAP, BRIDGE = "tap0123abcde99", "br0123abcde99"


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


def told(tmp_path: Path) -> set[str]:
    return set(survey._taps(Networks(tmp_path / "networks")))


def test_a_tap_that_stays_on_no_bridge_is_told(
    tmp_path: Path, tap: str, while_it_waits: Callable[[Callable[[], None]], None]
) -> None:
    while_it_waits(lambda: None)
    assert tap in told(tmp_path)


def test_one_that_is_just_being_plugged_in_elsewhere_is_not(
    tmp_path: Path,
    tap: str,
    foreign_bridge: str,
    while_it_waits: Callable[[Callable[[], None]], None],
) -> None:
    while_it_waits(lambda: ip("set", tap, "master", foreign_bridge))
    assert tap not in told(tmp_path)


def test_nor_is_one_that_is_just_being_removed(
    tmp_path: Path, tap: str, while_it_waits: Callable[[Callable[[], None]], None]
) -> None:
    while_it_waits(lambda: ip("del", tap))
    assert tap not in told(tmp_path)


def test_nor_one_that_came_after_the_first_look(
    tmp_path: Path, tap: str, while_it_waits: Callable[[Callable[[], None]], None]
) -> None:
    later = "tap0123abcde88"
    try:
        while_it_waits(lambda: add_tap(later))
        assert later not in told(tmp_path)
    finally:
        ip("del", later)


def test_taps_of_another_installation_are_left_out(
    tmp_path: Path, tap: str, foreign_bridge: str
) -> None:
    ip("set", tap, "master", foreign_bridge)
    assert tap not in told(tmp_path)
