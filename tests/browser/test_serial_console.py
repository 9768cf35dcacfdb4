"""The guest's serial line in the browser, and what it printed shown as text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsing import ARTEFACTS
from tests.support.guest_cloud import GuestCloud
from tests.support.guest_console import SerialConsole

pytestmark = pytest.mark.browser

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"


def test_the_serial_console_takes_input_and_shows_output(page: Page, guest: str) -> None:
    page.goto(f"/instances/{guest}/console")
    page.get_by_role("link", name="Serial console").click()
    expect(page.locator("#console")).to_have_attribute("data-state", "connected")
    page.keyboard.type("clear; echo serial-$((6*7)); uname -n\n")
    rows = page.locator(".xterm-rows")
    expect(rows).to_contain_text("serial-42")
    expect(rows).to_contain_text("demo-1")
    page.screenshot(path=ARTEFACTS / "serial-typed.png")
    page.get_by_role("button", name="Paste as typing").click()
    dialog = page.get_by_role("dialog", name="Paste as typing")
    dialog.get_by_role("textbox").fill("echo first-$((1+1))\necho second-$((2+2))\n")
    dialog.get_by_role("button", name="Type it").click()
    expect(rows).to_contain_text("first-2")
    expect(rows).to_contain_text("second-4")


def test_markup_that_a_guest_prints_is_shown_as_text(
    page: Page, cloud: GuestCloud, guest: str
) -> None:
    """S84: the log and the console show what the guest printed and run none of it."""
    with SerialConsole(cloud.api, guest) as serial:
        serial.send(f"echo '{HOSTILE}'$((50+1))\n".encode())
        serial.read_until(f"{HOSTILE}51".encode())
    page.goto(f"/instances/{guest}/log")
    expect(page.locator("pre.log")).to_contain_text(f"{HOSTILE}51")
    assert page.locator("pre.log script, pre.log img").count() == 0
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("pre.log")).to_contain_text(f"{HOSTILE}51")
    assert page.locator("pre.log script, pre.log img").count() == 0
