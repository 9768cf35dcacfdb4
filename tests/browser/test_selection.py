"""What a user has ticked stays, and is said rightly, while the list is refetched."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Response, expect

from tests.support.browsing import SECONDS

pytestmark = pytest.mark.browser

HINT = "document.getElementById('instance-list').dispatchEvent(new Event('live'))"
# As if the page had been drawn by a controller that is no longer there.
DRAWN_EARLIER = """new MutationObserver(() => {
  const mark = document.querySelector("meta[name=webcloud-drawn]");
  if (mark && mark.content !== "earlier:1") mark.content = "earlier:1";
}).observe(document, { subtree: true, childList: true })"""


def asks_again(answer: Response) -> bool:
    return "hx-request" in answer.request.headers


def test_a_refetched_list_still_says_what_is_about_to_be_deleted(page: Page, guest: str) -> None:
    page.goto("/instances")
    page.get_by_label("Select all").check()
    with page.expect_response(asks_again):
        page.evaluate(HINT)
    page.get_by_role("button", name="Delete…").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("demo-1")
    with page.expect_response(asks_again):
        page.evaluate(HINT)
    expect(dialog.get_by_role("heading")).to_contain_text("demo-1")
    expect(page.get_by_label("Select all")).to_be_checked()


def test_a_change_before_the_live_connection_is_up_shows_without_waiting(
    page: Page, guest: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.headers.get("hx-request", "")))
    page.goto("/instances")
    page.wait_for_load_state("networkidle")
    assert "true" not in asked, "asked again though nothing changed"
    page.add_init_script(DRAWN_EARLIER)
    with page.expect_response(asks_again, timeout=5 * SECONDS):
        page.goto("/instances")
