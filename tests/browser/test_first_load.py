"""How much a first visit fetches: everything at once, and little of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import OpenContext

pytestmark = pytest.mark.browser

BUDGET = 400 * 1024


def test_a_first_load_is_small_and_in_one_round(
    open_context: OpenContext, logged_in: Any, guest: str
) -> None:
    context = open_context(storage_state=logged_in)
    page = context.new_page()
    protocol = context.new_cdp_session(page)
    asked: dict[str, dict[str, Any]] = {}
    bytes_of: dict[str, int] = {}
    protocol.on(
        "Network.requestWillBeSent", lambda event: asked.update({event["requestId"]: event})
    )
    protocol.on(
        "Network.loadingFinished",
        lambda event: bytes_of.update({event["requestId"]: event["encodedDataLength"]}),
    )
    protocol.send("Network.enable")
    page.goto(f"/instances/{guest}")
    page.wait_for_load_state("networkidle")

    document = page.url
    requests = {
        event["request"]["url"]: (event["initiator"], bytes_of.get(request, 0))
        for request, event in asked.items()
        if not event["request"]["url"].startswith("data:")
    }
    assert len(requests) >= 4, "a page has a document, styles, scripts and icons"
    assert sum(size for _, size in requests.values()) <= BUDGET
    chained = [
        url
        for url, (initiator, _) in requests.items()
        if url != document and initiator.get("url", document) != document
    ]
    assert chained == [], "found only after another file had come"
    assert all(initiator["type"] in ("parser", "other") for initiator, _ in requests.values())
