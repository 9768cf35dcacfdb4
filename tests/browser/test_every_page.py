"""Every page: no barrier, no complaint, no sideways scrolling, in both themes, at every width."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.places import CONSOLES, GATES, places
from tests.support.browsing import PHONE, TABLET, Watch, barriers, described, is_too_wide

pytestmark = pytest.mark.browser

MISSING = "Failed to load resource.* 404 .*"


def visit(page: Page, name: str, address: str) -> None:
    """Open it and wait until it shows what it is about."""
    page.goto(address)
    if name in CONSOLES:
        expect(page.locator("#console")).to_have_attribute("data-state", "connected")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_barrier(
    theme: str, open_context: OpenContext, watches: list[Watch], logged_in: Any, guest: str
) -> None:
    # axe is put into the page by the test, which the page's own policy forbids.
    context = open_context(storage_state=logged_in, color_scheme=theme, bypass_csp=True)
    watches[0].forgive(MISSING)
    page = context.new_page()
    found = []
    for name, address in places(context, guest).items():
        visit(page, name, address)
        found += [{"page": name, **each} for each in barriers(page)]
    visitor = open_context(color_scheme=theme, bypass_csp=True).new_page()
    for name, address in GATES.items():
        visit(visitor, name, address)
        found += [{"page": name, **each} for each in barriers(visitor)]
    assert found == [], described(found)


@pytest.mark.parametrize("width", [PHONE, TABLET], ids=["phone", "tablet"])
def test_no_page_scrolls_sideways_or_complains(
    width: Any, open_context: OpenContext, watches: list[Watch], logged_in: Any, guest: str
) -> None:
    context = open_context(storage_state=logged_in, viewport=width)
    watches[0].forgive(MISSING)
    page = context.new_page()
    wide = []
    for name, address in places(context, guest).items():
        visit(page, name, address)
        wide += [name] if is_too_wide(page) else []
    assert wide == []


def test_every_page_has_one_heading_a_title_and_a_language(
    page: Page, watch: Watch, guest: str
) -> None:
    watch.forgive(MISSING)
    for name, address in places(page.context, guest).items():
        visit(page, name, address)
        assert page.locator("h1").count() == 1, name
        assert page.title().endswith(" · webcloud"), name
        assert page.locator("html").get_attribute("lang") == "en", name
