"""Language and colours: changed in the top bar, kept for the user."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.support.browsing import Watch, log_in
from tests.support.guest_cloud import GuestCloud
from tests.support.stock_api import PASSWORD, StockApi

pytestmark = pytest.mark.browser


@pytest.fixture
def hers(cloud: GuestCloud, open_context: OpenContext, mai: StockApi) -> Page:
    """A page of the user ``mai``, in English."""
    page = open_context(color_scheme="light").new_page()
    log_in(page, cloud.url, "mai", PASSWORD)
    return page


def test_vietnamese_is_one_click_away_and_stays(
    hers: Page, cloud: GuestCloud, open_context: OpenContext
) -> None:
    hers.goto("/instances/new")
    hers.get_by_label("Language").click()
    hers.get_by_role("button", name="Tiếng Việt").click()
    hers.wait_for_url("**/instances/new")
    expect(hers.locator("html")).to_have_attribute("lang", "vi")
    expect(hers.get_by_role("heading", level=1)).to_have_text("Tạo máy ảo")

    elsewhere = open_context().new_page()
    elsewhere.goto("/login?language=vi")
    elsewhere.locator("#name").fill("mai")
    elsewhere.locator("#password").fill(PASSWORD)
    elsewhere.get_by_role("button", name="Đăng nhập").click()
    expect(elsewhere.locator("html")).to_have_attribute("lang", "vi")

    hers.locator("summary", has_text="VI").click()
    hers.get_by_role("button", name="English").click()
    expect(hers.get_by_role("heading", level=1)).to_have_text("Create instance")


def test_a_browser_that_asks_for_vietnamese_gets_it_at_once(open_context: OpenContext) -> None:
    page = open_context(locale="vi-VN").new_page()
    page.goto("/login")
    expect(page.locator("html")).to_have_attribute("lang", "vi")


def test_the_dark_theme_stays_and_the_system_is_followed(hers: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = hers.evaluate(ground)
    hers.emulate_media(color_scheme="dark")
    expect(hers.locator("html")).to_have_attribute("data-bs-theme", "dark")
    dark = hers.evaluate(ground)
    assert light != dark

    hers.emulate_media(color_scheme="light")
    hers.get_by_label("Colour theme").click()
    hers.get_by_role("button", name="Dark").click()
    expect(hers.locator("html")).to_have_attribute("data-bs-theme", "dark")
    for path in ("/images", "/instances/new"):
        hers.goto(path)
        expect(hers.locator("html")).to_have_attribute("data-bs-theme", "dark")
        assert hers.evaluate(ground) == dark
    hers.get_by_label("Colour theme").click()
    hers.get_by_role("button", name="As the system").click()
    expect(hers.locator("html")).to_have_attribute("data-bs-theme", "light")


def test_logging_out_ends_the_session(hers: Page, watches: list[Watch]) -> None:
    watches[0].forgive("Failed to load resource.* 401 ")
    hers.get_by_label(re.compile("User mai")).click()
    hers.get_by_role("button", name="Log out").click()
    hers.wait_for_url("**/login**")
    hers.goto("/instances")
    expect(hers.get_by_label("Password")).to_be_visible()
