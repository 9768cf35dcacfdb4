"""The link that ``webcloud up`` prints lets its reader in, once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.support.browsing import Watch
from tests.support.guest_cloud import GuestCloud

pytestmark = pytest.mark.browser


def test_the_printed_link_logs_in_once_and_says_why_not_twice(
    cloud: GuestCloud, open_context: OpenContext, watches: list[Watch]
) -> None:
    link = f"{cloud.url}/login#token={cloud.login_secret}"
    first = open_context().new_page()
    first.goto(link)
    first.wait_for_url("**/instances")
    expect(first).to_have_title("Instances · webcloud")
    assert cloud.login_secret not in first.url

    second = open_context().new_page()
    # A refused login is an answer with an error's status, which Chromium notes down.
    watches[1].forgive("Failed to load resource.* 401 ")
    second.goto(link)
    refusal = second.get_by_role("alert").filter(has_text=re.compile("link"))
    expect(refusal).to_contain_text("used")
    expect(refusal).to_contain_text("Ask for a new one, or log in with your password.")
    expect(second.get_by_label("Password")).to_be_visible()


def test_a_link_that_was_never_made_is_refused(
    open_context: OpenContext, watches: list[Watch]
) -> None:
    page = open_context().new_page()
    watches[0].forgive("Failed to load resource.* 401 ")
    page.goto("/login#token=made-up")
    expect(page.get_by_role("alert")).to_contain_text("link")
    page.goto("/instances")
    expect(page.get_by_label("Password")).to_be_visible()
