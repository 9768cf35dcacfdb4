"""All of it without a mouse."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsing import SECONDS
from tests.support.guest_cloud import GuestCloud

pytestmark = pytest.mark.browser

FOCUSED = """() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const around = at.closest("label, .menu") ?? at;
  return {
    words: (at.getAttribute("aria-label") || at.innerText || at.name || at.tagName).trim(),
    type: at.type ?? "",
    ring: style.outlineStyle !== "none" || style.boxShadow !== "none"
      || getComputedStyle(around).outlineStyle !== "none"
      || getComputedStyle(around).boxShadow !== "none",
  };
}"""


def tab_to(page: Page, words: str, presses: int = 60) -> None:
    """Press Tab until the thing with these words has the focus, which must always be seen."""
    passed = []
    for _ in range(presses):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        passed.append(at["words"])
        if at["words"] != "BODY":
            assert at["ring"], f"the focus on {at} cannot be seen"
        if re.fullmatch(words, at["words"]):
            return
    pytest.fail(f"Tab never came to {words}: {passed}")


def test_an_instance_is_made_and_deleted_with_the_keyboard_alone(
    page: Page, cloud: GuestCloud, guest: str
) -> None:
    page.goto("/instances")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["words"] == "Skip to the page"
    page.keyboard.press("Enter")
    tab_to(page, "Create instance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/instances/new")

    tab_to(page, "name")
    page.keyboard.press("Control+A")
    page.keyboard.type("by-keyboard")
    tab_to(page, "flavor_id")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    tab_to(page, "Create instance")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/instances/[0-9a-f-]{36}$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("by-keyboard")
    expect(page.locator(".page-head")).to_contain_text("Running", timeout=30 * SECONDS)
    server_id = page.url.rsplit("/", 1)[1]

    tab_to(page, "More actions")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(FOCUSED)["words"].startswith("Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete by-keyboard?")).to_be_visible()
    tab_to(page, "Delete by-keyboard and its 1 GB disk · admin", 4)
    page.keyboard.press("Enter")
    cloud.api.wait_gone(server_id)


def test_the_palette_goes_to_a_page_and_to_an_instance(page: Page, guest: str) -> None:
    page.goto("/images")
    page.keyboard.press("Control+K")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("demo-1")
    page.keyboard.press("Enter")  # Before the answer has come.
    page.wait_for_url(re.compile(guest))
    page.keyboard.press("Control+K")
    page.keyboard.type("Key pairs")
    expect(page.get_by_role("option").first).to_contain_text("Key pairs")
    page.keyboard.press("Enter")
    page.wait_for_url("**/key-pairs")
    page.keyboard.press("Control+K")
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox")).to_be_hidden()


def test_the_console_can_be_left_by_keyboard(page: Page, guest: str) -> None:
    page.goto(f"/instances/{guest}/console")
    expect(page.locator("#console")).to_have_attribute("data-state", "connected")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    page.keyboard.press("Control+Alt+Shift+A")
    expect(page.get_by_role("link", name="demo-1")).to_be_focused()
