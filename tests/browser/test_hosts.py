"""Operators' pages say what a host does and has room for while one looks at them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.places import places
from tests.support.browsing import SECONDS
from tests.support.guest_cloud import GuestCloud

pytestmark = pytest.mark.browser

# Pages look at everything again every 15 seconds; without that only hints are left.
ONLY_HINTS = """const every = window.setInterval;
window.setInterval = (what, time, ...more) => (time === 15000 ? 0 : every(what, time, ...more));"""
NO_HOST = "No host that is open for new instances answers at the moment."


@contextmanager
def frozen_agent(cloud: GuestCloud) -> Iterator[None]:
    """The agent stands still within the block."""
    pid = cloud.pid("agent")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def giant(cloud: GuestCloud) -> Iterator[str]:
    """The name of a flavor that fits into the quota and onto no host here."""
    path = "/compute/v2.1/flavors"
    wanted = {"name": "giant", "ram": 90 * 1024, "vcpus": 1, "disk": 1}
    made = cloud.api.call("POST", path, {"flavor": wanted})["flavor"]
    yield made["name"]
    cloud.api.call("DELETE", f"{path}/{made['id']}")


def test_a_host_that_falls_silent_and_comes_back_is_shown_by_hints(
    page: Page, cloud: GuestCloud, guest: str
) -> None:
    addresses = places(page.context, guest)
    page.context.add_init_script(ONLY_HINTS)
    tabs = {"hosts": page}
    for name in ("host", "health", "create-instance"):
        tabs[name] = page.context.new_page()
    for name, tab in tabs.items():
        tab.goto(addresses[name])
        tab.evaluate("window.same = 'page'")
    room = tabs["create-instance"].locator("#room")
    expect(tabs["hosts"].locator("#host-list")).to_contain_text("Ready")
    expect(tabs["host"].locator(".page-head")).to_contain_text("Ready")
    expect(tabs["health"].locator("#health")).to_contain_text("all answer")
    expect(room).to_contain_text("There is room for it.")

    with frozen_agent(cloud):
        late = 60 * SECONDS
        expect(tabs["hosts"].locator("#host-list")).to_contain_text("Not answering", timeout=late)
        expect(tabs["host"].locator(".page-head")).to_contain_text("Not answering")
        expect(tabs["host"]).to_have_title(re.compile(r" · Not answering · webcloud$"))
        expect(tabs["host"].locator(".fault")).to_contain_text("It was last heard from")
        expect(tabs["health"].locator("#health")).to_contain_text("1 host does not answer")
        expect(room).to_contain_text(NO_HOST)
        assert cloud.api.show(guest)["status"] == "UNKNOWN"
    cloud.api.wait(guest, "ACTIVE", 30)
    expect(tabs["hosts"].locator("#host-list")).to_contain_text("Ready", timeout=late)
    expect(tabs["host"].locator(".page-head")).to_contain_text("Ready")
    expect(tabs["host"].locator("#host")).to_contain_text("Is heard again")
    expect(tabs["health"].locator("#health")).to_contain_text("all answer")
    expect(room).to_contain_text("There is room for it.")
    assert [tab.evaluate("window.same") for tab in tabs.values()] == ["page"] * len(tabs)


def test_the_room_card_answers_what_is_chosen(page: Page, guest: str, giant: str) -> None:
    page.goto("/instances/new")
    room = page.locator("#room")
    expect(room).to_contain_text("There is room for it.")
    page.get_by_role("radio", name=giant).check()
    expect(room).to_contain_text("No host has 90 GB of memory free")
    room.get_by_text("What was found about each host").click()
    expect(room.get_by_role("listitem")).to_contain_text("MB of memory free, 92160 MB is needed")
    page.get_by_role("radio", name="tiny").check()
    expect(room).to_contain_text("There is room for it.")
    expect(room.get_by_role("listitem")).to_contain_text("free memory")
    assert page.locator("#room-why").get_attribute("open") is not None
