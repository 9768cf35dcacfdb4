"""S83: what people write is shown as text on every page, wherever they can write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.places import CONSOLES, places
from tests.support.browsing import Watch
from tests.support.guest_cloud import GuestCloud

pytestmark = pytest.mark.browser

CORPUS = (
    "<img src=x onerror=alert(1)>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "\"'><svg/onload=alert(2)>",
    "</title></textarea></script><script>alert(3)</script>",
    "javascript:alert(4)//%0aalert(5)",
    "x\" hx-get='/logout' hx-trigger='load' autofocus onfocus='alert(6)",
)
# Elements and attributes that only the corpus would bring into a page.
PLANTED = """() => [
  ...document.querySelectorAll(
    'img[src="x"], [onerror], [onload], [onfocus], [href^="javascript:"], [hx-get="/logout"]'),
  ...[...document.scripts].filter((script) => script.textContent.includes("alert")),
].map((element) => element.outerHTML)"""


@pytest.fixture
def written(cloud: GuestCloud, guest: str) -> Iterator[list[str]]:
    """Ids of instances whose every free text is markup; images and a key pair, too."""
    api = cloud.api
    images, servers = [], []
    for number, text in enumerate(CORPUS):
        api.add_key(f"key {number}", comment=text)
        wanted = {"name": text, "disk_format": "raw", "container_format": "bare"}
        properties = {"os_distro": text, "description": text}
        images.append(api.call("POST", "/image/v2/images", {**wanted, **properties})["id"])
        demo = api.image("demo")["id"]
        servers.append(api.create(text, demo, description=text, key_name=f"key {number}"))
    try:
        yield servers
    finally:
        for server_id in servers:
            api.delete(server_id)
        for server_id in servers:
            api.wait_gone(server_id)
        for image_id in images:
            api.call("DELETE", f"/image/v2/images/{image_id}", status=204)
        for number in range(len(CORPUS)):
            api.delete_key(f"key {number}")


def test_markup_in_every_text_is_inert_on_every_page(
    page: Page, watch: Watch, written: list[str], guest: str
) -> None:
    watch.forgive("Failed to load resource.* 404 ")
    addresses: dict[str, Any] = dict(places(page.context, guest))
    for number, server_id in enumerate(written):
        addresses[f"instance-{number}"] = f"/instances/{server_id}"
    for name, address in addresses.items():
        page.goto(address)
        assert page.evaluate(PLANTED) == [], name
        if name not in CONSOLES:
            assert "/login" not in page.url, name
            assert "49" not in page.title(), name
    page.goto("/instances")
    for text in CORPUS:
        expect(page.get_by_role("link", name=text, exact=True)).to_be_visible()
    page.get_by_label("Select all").check()
    page.get_by_role("button", name="Delete…").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(CORPUS[0])
    assert page.evaluate(PLANTED) == []
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()

    page.keyboard.press("Control+K")
    page.keyboard.type("alert(1)")
    expect(page.get_by_role("option", name=CORPUS[0])).to_be_visible()
    assert page.evaluate(PLANTED) == []
    page.keyboard.press("Escape")

    page.goto("/instances/new")
    page.locator("#name").fill(CORPUS[0])
    expect(page.locator("[data-summary=name]")).to_have_text(CORPUS[0])
    expect(page.locator("[data-command=openstack]")).to_contain_text(CORPUS[0])
    assert page.evaluate(PLANTED) == []


def test_markup_in_an_address_or_a_search_is_inert(page: Page, watch: Watch) -> None:
    watch.forgive("Failed to load resource.* 40[04] ")
    for text in CORPUS:
        for path in ("/instances?q=", "/instances?sort=", "/login?next=", "/instances/"):
            page.goto(path + text.replace("%", "%25").replace("#", "%23"))
            assert page.evaluate(PLANTED) == [], path
