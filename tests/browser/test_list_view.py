"""How a list is looked at is the reader's own choice, and stays."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_selection import HINT, asks_again

pytestmark = pytest.mark.browser


def test_hidden_columns_and_low_rows_stay_after_hints_and_reloads(page: Page, guest: str) -> None:
    page.goto("/instances")
    page.get_by_text("View", exact=True).click()
    page.get_by_label("Flavor", exact=True).uncheck()
    page.get_by_label("Compact rows").check()
    expect(page.get_by_role("columnheader", name="Flavor")).to_be_hidden()
    with page.expect_response(asks_again):
        page.evaluate(HINT)
    for _ in range(2):
        expect(page.get_by_role("columnheader", name="Flavor")).to_be_hidden()
        expect(page.get_by_role("cell", name="tiny")).to_have_count(0)
        expect(page.locator("#instance-list")).to_have_class("card compact")
        page.reload()
    page.get_by_text("View", exact=True).click()
    page.get_by_label("Flavor", exact=True).check()
    expect(page.get_by_role("columnheader", name="Flavor")).to_be_visible()


def test_the_list_can_be_taken_as_a_file(page: Page, guest: str) -> None:
    page.goto("/instances?q=demo")
    page.get_by_text("View", exact=True).click()
    with page.expect_download() as taken:
        page.get_by_role("link", name="All rows as CSV").click()
    assert taken.value.suggested_filename == "instances.csv"
    assert guest in taken.value.path().read_text(encoding="utf-8")
