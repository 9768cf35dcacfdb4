"""The same as a command: what is chosen on the page, as three tools would say it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_terraforms_words_follow_the_form_and_quote_what_it_would_read_as_a_template(
    page: Page, guest: str
) -> None:
    page.goto("/instances/new")
    page.locator("#name").fill('9 ${web} "1"')
    tabs = page.get_by_role("tab")
    tabs.nth(0).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Terraform")).to_be_focused()
    shown = page.get_by_role("tabpanel", name="Terraform")
    expect(shown).to_contain_text('resource "openstack_compute_instance_v2" "_9___web___1_" {')
    expect(shown).to_contain_text(r'name      = "9 $${web} \"1\""')
    expect(shown).to_contain_text("uuid = ")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="openstack")).to_be_visible()
    expect(shown).to_be_hidden()


def test_image_cards_say_on_how_many_hosts_they_are_ready(page: Page, guest: str) -> None:
    page.goto("/instances/new")
    expect(page.get_by_text("ready on 1 of 1 host").first).to_be_visible()
