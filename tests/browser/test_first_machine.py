"""What a newcomer sees: nothing yet, one click, a machine that tells its story, its end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import READY, OpenContext
from tests.support.boot_sector import ECHO, disk
from tests.support.browsing import ARTEFACTS, SECONDS, log_in
from tests.support.guest_cloud import GuestCloud
from tests.support.stock_api import PASSWORD, StockApi, wait_for

pytestmark = pytest.mark.browser

COPYING, BUILDING = "Copying the image to the host", "Building and booting it"
# Takes long enough to copy that its progress is told on the way.
LARGE = 320 * 1024**2
# Sees every state that the page goes through; a reload would end it.
WATCH_STATES = """() => {
  window.states = [];
  const look = () => {
    const text = document.querySelector(".page-head")?.innerText ?? "";
    if (window.states.at(-1) !== text) window.states.push(text);
  };
  look();
  new MutationObserver(look).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true });
}"""


def create_with_all_defaults(page: Page) -> str:
    """From the empty list by two clicks to the new instance's page; its id."""
    page.get_by_role("link", name="Create instance").click()
    return create_as_it_is(page)


def create_as_it_is(page: Page) -> str:
    """Send the form as it is filled in; the new instance's id, on its page."""
    expect(page.get_by_role("textbox", name="Name")).not_to_have_value("")
    page.add_init_script(f"addEventListener('DOMContentLoaded', {WATCH_STATES})")
    page.get_by_role("button", name="Create instance").click()
    page.wait_for_url(re.compile(r"/instances/[0-9a-f-]{36}$"))
    return page.url.rsplit("/", 1)[1]


def test_a_first_machine_from_the_empty_list_to_the_empty_list(
    cloud: GuestCloud, open_context: OpenContext, mai: StockApi
) -> None:
    context = open_context()
    page = context.new_page()
    log_in(page, cloud.url, "mai", PASSWORD)
    expect(page.get_by_role("heading", name="No instances yet")).to_be_visible()
    expect(page.locator("main .btn-primary")).to_have_count(1)
    assert "openstack server create" in page.locator("#teach-command").inner_text()

    server_id = create_with_all_defaults(page)
    name = page.get_by_role("heading", level=1).inner_text()
    head = page.locator(".page-head")
    expect(head).to_contain_text("Running", timeout=30 * SECONDS)
    told = "\n".join(page.evaluate("window.states"))
    assert "Creating" in told, "the page was reloaded, or never showed the work"
    assert BUILDING in told, told
    expect(page).to_have_title(f"{name} · Running · webcloud")
    address = mai.address(mai.show(server_id))
    expect(page.get_by_role("button", name=f"Copy {address}")).to_be_visible()
    page.screenshot(path=ARTEFACTS / "first-machine.png")

    changes_in_place(context.new_page(), mai, server_id, name)
    expect(head).to_contain_text("Stopped", timeout=5 * SECONDS)
    delete_by_dialog(page, name)
    mai.wait_gone(server_id)
    page.goto("/instances")
    expect(page.get_by_role("heading", name="No instances yet")).to_be_visible()
    assert cloud.left_of(server_id) == []
    cloud.verify()


@pytest.fixture
def heavy_image(mai: StockApi) -> Iterator[str]:
    """The name of an image that no host has copied yet."""
    image_id = mai.upload("heavy", disk(ECHO) + bytes(LARGE))
    yield "heavy"
    mai.call("DELETE", f"/image/v2/images/{image_id}", status=204)


def test_copying_the_image_and_building_are_told_as_they_happen(
    cloud: GuestCloud, open_context: OpenContext, mai: StockApi, heavy_image: str
) -> None:
    page = open_context().new_page()
    log_in(page, cloud.url, "mai", PASSWORD)
    page.goto("/instances/new")
    page.get_by_role("radio", name=heavy_image).check()
    server_id = create_as_it_is(page)
    expect(page.locator(".page-head")).to_contain_text("Running", timeout=90 * SECONDS)
    states = page.evaluate("window.states")
    copying = [number for number, state in enumerate(states) if COPYING in state]
    building = [number for number, state in enumerate(states) if BUILDING in state]
    assert copying and building, states
    assert max(copying) < min(building), states
    parts = [int(part) for part in re.findall(rf"{COPYING} · (\d+) %", "\n".join(states))]
    assert parts and parts == sorted(parts), states
    expect(page.locator("#instance")).to_contain_text(COPYING)
    mai.delete(server_id)
    mai.wait_gone(server_id)
    assert cloud.left_of(server_id) == []


def changes_in_place(tab: Page, mai: StockApi, server_id: str, name: str) -> None:
    """A list in another tab follows a stop by the API without losing what was ticked."""
    tab.goto("/instances")
    tab.evaluate("window.same = 'page'")
    row = tab.get_by_role("row", name=name)
    expect(row).to_contain_text("Running")
    pick = tab.get_by_role("checkbox", name=f"Select {name}")
    pick.check()
    wait_for(lambda: READY in mai.console_log(server_id), 60, "the guest is not up")
    mai.act(server_id, "os-stop")
    mai.wait(server_id, "SHUTOFF", 70)
    stopped = time.monotonic()
    expect(row).to_contain_text("Stopped", timeout=5 * SECONDS)
    assert time.monotonic() - stopped < 5  # The page's own timer looks only every 15 s.
    expect(pick).to_be_checked()
    expect(pick).to_be_focused()
    assert tab.evaluate("window.same") == "page"
    tab.close()


def delete_by_dialog(page: Page, name: str) -> None:
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name=f"Delete {name}?")
    expect(dialog).to_contain_text("no undo")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name=f"Delete {name} and its 1 GB disk · mai").click()
    page.wait_for_load_state()
