"""The guest's screen in the browser: what it drew, what is typed, and what it survives."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import READY
from tests.support import guest_cloud
from tests.support.browsing import ARTEFACTS, SECONDS, Watch, press_keys
from tests.support.guest_cloud import GuestCloud
from tests.support.stock_api import wait_for

pytestmark = pytest.mark.browser

LINE = 16  # Pixels of a row of text on the guest's 720 by 400 screen.
# How many pixels of each row of text are lit.
LIT_ROWS = """(height) => {
  const canvas = document.querySelector("#console canvas");
  // A copy is read: Chromium complains when a canvas itself is read more than once.
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const rows = new Array(Math.ceil(canvas.height / height)).fill(0);
  for (let at = 0; at < data.length; at += 4)
    if (data[at] + data[at + 1] + data[at + 2] > 200)
      rows[Math.floor(at / 4 / canvas.width / height)] += 1;
  return rows;
}"""
SYMBOLS = r"""~!@#$%^&*()_+{}|:<>?-=[]\;,./`"""


@pytest.fixture
def console(page: Page, guest: str) -> Iterator[Page]:
    """The guest's screen, connected, with an empty line to type into."""
    page.goto(f"/instances/{guest}")
    page.get_by_role("link", name="Open console").click()
    expect(page.locator("#console")).to_have_attribute("data-state", "connected")
    press_keys(page, "clear\n")
    yield page


def seen_by_guest(cloud: GuestCloud, guest: str, words: str) -> None:
    """The guest's shell wrote the words to its serial port, so it read the command."""
    wait_for(lambda: words in cloud.api.console_log(guest), 15, f"{words} was never typed")


def typed(page: Page, cloud: GuestCloud, guest: str, words: str) -> None:
    """Type a command whose outcome, not whose text, has the words with a 42 in them."""
    press_keys(page, f"echo {words}-$((40+2)) >/dev/ttyS0\n")
    seen_by_guest(cloud, guest, f"{words}-42")


def test_a_console_is_connected_soon_after_the_click(page: Page, guest: str) -> None:
    page.goto(f"/instances/{guest}")
    page.evaluate("performance.mark('clicked')")
    clicked = time.monotonic()
    page.get_by_role("link", name="Open console").click()
    page.wait_for_selector("#console[data-state=connected]")
    assert time.monotonic() - clicked < 5
    expect(page).to_have_title("Console of demo-1 · webcloud")


def test_what_is_typed_reaches_the_guest_and_its_picture_comes_back(
    console: Page, cloud: GuestCloud, guest: str, watch: Watch
) -> None:
    typed(console, cloud, guest, "typed")
    press_keys(console, "clear\n")
    console.wait_for_timeout(700)
    before = console.evaluate(LIT_ROWS, LINE)
    assert len(before) == 25
    assert 0 < before[0] < 600, "there is a prompt in the first row"
    assert sum(before[2:]) == 0, "the rest of the screen is dark"

    press_keys(console, "for n in 1 2 3; do echo MMMMMMMM; done\n")
    console.wait_for_timeout(1000)
    after = console.evaluate(LIT_ROWS, LINE)
    console.screenshot(path=ARTEFACTS / "console-typed.png")
    assert after[0] > before[0] * 2, "the command was drawn beside the prompt"
    assert after[1] == after[2] == after[3] > 200, "three equal rows of eight wide letters"
    assert after[4] in range(1, 600), "the next prompt"
    assert sum(after[6:]) == 0


def test_pasting_types_every_symbol_of_the_keyboard(
    console: Page, cloud: GuestCloud, guest: str
) -> None:
    console.get_by_role("button", name="Paste as typing").click()
    dialog = console.get_by_role("dialog", name="Paste as typing")
    dialog.get_by_role("textbox").fill(f"echo 'paste {SYMBOLS} Done' >/dev/ttyS0\n")
    dialog.get_by_role("button", name="Type it").click()
    seen_by_guest(cloud, guest, f"paste {SYMBOLS} Done")
    expect(console.locator("#console-status")).to_have_text("Connected")
    typed(console, cloud, guest, "after-pasting")


def test_the_console_fills_the_screen_and_comes_back(
    console: Page, cloud: GuestCloud, guest: str
) -> None:
    full = console.get_by_role("button", name="Full screen")
    full.click()
    console.wait_for_function("document.fullscreenElement !== null")
    typed(console, cloud, guest, "in-full-screen")
    full.click()
    console.wait_for_function("document.fullscreenElement === null")


def test_a_console_outlives_the_web_server(
    console: Page, cloud: GuestCloud, guest: str, watch: Watch
) -> None:
    cloud.kill_workers()
    typed(console, cloud, guest, "without-controller")
    cloud.wait_answering()
    typed(console, cloud, guest, "with-a-new-controller")
    expect(console.locator("#console-status")).to_have_text("Connected")


def test_a_console_comes_back_by_itself_when_the_proxy_is_killed(
    console: Page, cloud: GuestCloud, guest: str, watch: Watch
) -> None:
    watch.forgive("WebSocket connection|Failed to load resource.* 503")
    cloud.kill("proxy")
    expect(console.locator("#console")).not_to_have_attribute("data-state", "connected")
    expect(console.locator("#console-status")).not_to_have_text("")
    expect(console.locator("#console")).to_have_attribute(
        "data-state", "connected", timeout=20 * SECONDS
    )
    cloud.wait_answering()
    typed(console, cloud, guest, "through-a-new-proxy")


def test_ctrl_alt_del_reboots_the_guest(console: Page, cloud: GuestCloud, guest: str) -> None:
    boots = cloud.api.console_log(guest).count(READY)
    console.get_by_role("button", name="Ctrl-Alt-Del").click()
    wait_for(
        lambda: cloud.api.console_log(guest).count(READY) > boots, 60, "the guest did not restart"
    )
    expect(console.locator("#console")).to_have_attribute("data-state", "connected")

    def answers() -> bool:
        # The guest says that it is up a moment before its shell reads the keyboard.
        press_keys(console, "\necho after-ctrl-alt-del-$((40+2)) >/dev/ttyS0\n")
        console.wait_for_timeout(2 * SECONDS)
        return "after-ctrl-alt-del-42" in cloud.api.console_log(guest)

    wait_for(answers, 60, "the guest that was started anew reads no keyboard")


def test_the_console_says_when_its_instance_was_stopped_and_when_it_was_deleted(
    page: Page, cloud: GuestCloud, watch: Watch
) -> None:
    # noVNC notes a connection that the guest ended; a deleted guest's page is not there.
    watch.forgive("Connection closed|Failed when connecting|Failed to load resource.* 40[49] ")
    # noVNC reads its canvas whenever a booting guest changes the size of its screen.
    watch.forgive("Canvas2D: Multiple readback")
    api = cloud.api
    server_id = api.create("asleep", api.image("demo")["id"])
    api.wait(server_id, "ACTIVE")
    page.goto(f"/instances/{server_id}/console")
    expect(page.locator("#console")).to_have_attribute("data-state", "connected")
    domain = guest_cloud.domain(server_id)
    assert domain is not None
    domain.destroy()
    status = page.locator("#console-status")
    expect(status).to_have_text("The instance is not running. The console opens when it starts.")
    api.wait(server_id, "SHUTOFF")
    api.act(server_id, "os-start")
    expect(page.locator("#console")).to_have_attribute("data-state", "connected")
    api.wait(server_id, "ACTIVE")
    api.delete(server_id)
    api.wait_gone(server_id)
    expect(status).to_have_text("The instance has been deleted.")
