"""A phone: the menu is a drawer, and an instance can be looked after with a thumb."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.support.browsing import PHONE, is_too_wide

pytestmark = pytest.mark.browser


def test_the_menu_is_a_drawer_on_a_phone(
    open_context: OpenContext, logged_in: Any, guest: str
) -> None:
    context = open_context(storage_state=logged_in, viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto("/instances")
    menu = page.get_by_role("button", name="Menu")
    images = page.get_by_role("link", name="Images")
    expect(images).not_to_be_in_viewport()
    menu.tap()
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(images).to_be_in_viewport()
    assert not is_too_wide(page)
    images.tap()
    page.wait_for_url("**/images")
    menu.tap()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Hosts")).not_to_be_in_viewport()
    menu.tap()
    page.get_by_role("link", name="Instances").tap()
    page.wait_for_url("**/instances")

    page.get_by_role("link", name="demo-1", exact=True).tap()
    expect(page.get_by_role("link", name="Open console")).to_be_in_viewport()
    page.get_by_label("More actions").tap()
    page.get_by_role("button", name="Delete…").tap()
    dialog = page.get_by_role("dialog", name="Delete demo-1?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_in_viewport()
    assert not is_too_wide(page)
    dialog.get_by_role("button", name="Cancel").tap()
    expect(dialog).to_be_hidden()
