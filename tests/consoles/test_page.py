"""The console page in headless Chromium, on the real web server and proxy."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.console_agent import ConsoleAgent
from tests.support.console_proxy import ProxyProcess
from tests.support.console_site import INSTANCE, ConsoleSite
from tests.support.fake_screen import FakeScreen

pytestmark = pytest.mark.browser

CONNECTED = "#console[data-state=connected]"
XSS = b"<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, site: ConsoleSite) -> Iterator[Page]:
    """A logged-in browser; at the end no script of its page may have failed."""
    context = chromium.new_context(viewport={"width": 900, "height": 600})
    name, value = site.log_in().split("=", 1)
    context.add_cookies([{"name": name, "value": value, "url": site.origin}])
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "console",
        lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None,
    )
    opened.set_default_timeout(20_000)
    yield opened
    context.close()
    # A guest that lies about its size can exhaust the browser's own canvas, no more.
    assert not [error for error in errors if "ImageData" not in error]


@pytest.fixture
def screen(agent: ConsoleAgent) -> FakeScreen:
    guest = FakeScreen()
    agent.guest = guest
    return guest


def open_console(page: Page, site: ConsoleSite, kind: str = "vnc") -> None:
    page.goto(f"{site.origin}/instances/{INSTANCE}/console?kind={kind}")
    page.wait_for_selector(CONNECTED)


@pytest.mark.parametrize("silent", [False, True])
def test_the_guests_picture_is_shown_and_keys_reach_it(
    page: Page, site: ConsoleSite, screen: FakeScreen, silent: bool
) -> None:
    """``silent``: the page asks for the picture before the guest has said a word."""
    screen.silent = silent
    open_console(page, site)
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector("#console canvas");
          const [r, g, b] = canvas.getContext("2d").getImageData(5, 5, 1, 1).data;
          return r === 200 && g === 30 && b === 60;
        }"""
    )
    page.keyboard.type("ls -l")
    page.click("#console-paste")
    page.fill("#console-paste-text", 'echo "Ab~"')
    page.click("button[value=type]")
    _eventually(lambda: screen.typed() == 'ls -lecho "Ab~"')
    screen.keys.clear()
    page.click("#console-cad")
    _eventually(lambda: [key for key, _ in screen.keys[:3]] == [0xFFE3, 0xFFE9, 0xFFFF])


def test_a_dropped_console_comes_back_by_itself_and_says_why_not(
    page: Page, site: ConsoleSite, proxy: ProxyProcess, agent: ConsoleAgent, screen: FakeScreen
) -> None:
    open_console(page, site)
    site.change(observed_power="shutoff")
    try:
        agent.power_off()
        page.wait_for_selector("#console[data-reason=not_running]")
        assert "not running" in (page.text_content("#console-status") or "")
    finally:
        site.change(observed_power="running")
    page.wait_for_selector(CONNECTED)
    proxy.process.kill()
    proxy.process.wait()
    page.wait_for_selector("#console[data-reason=proxy_down]")
    proxy.start()
    page.wait_for_selector(CONNECTED)
    page.keyboard.type("back")
    _eventually(lambda: screen.typed() == "back")


def test_a_console_goes_on_while_the_web_server_restarts(
    page: Page, site: ConsoleSite, screen: FakeScreen
) -> None:
    open_console(page, site)
    site.kill()
    try:
        page.keyboard.type("alive")
        _eventually(lambda: screen.typed() == "alive")
        assert page.query_selector(CONNECTED)
    finally:
        site.start()


def test_sec_S25_a_link_leaves_no_token_in_the_address_and_says_when_it_is_used_up(
    chromium: Browser, site: ConsoleSite, screen: FakeScreen
) -> None:
    link = f"{site.origin}/console?kind=vnc#token={site.token()}"
    context = chromium.new_context()
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector(CONNECTED)
    assert "token" not in page.url
    again = context.new_page()
    again.goto(link)
    again.wait_for_selector("#console[data-state=ended][data-reason=token_used]")
    assert "used already" in (again.text_content("#console-status") or "")
    context.close()


@pytest.mark.parametrize(
    "lies",
    [
        FakeScreen(name=XSS, cut_text=XSS),
        FakeScreen(name=b'"><svg/onload=window.hacked=1>' * 100, cut_text=b"\xff\0\x1b[2J"),
        FakeScreen(sizes=((65535, 65535), (0, 0), (1, 65535))),
    ],
)
def test_sec_S27_a_lying_guest_runs_no_script(
    page: Page, site: ConsoleSite, agent: ConsoleAgent, lies: FakeScreen
) -> None:
    agent.guest = lies
    page.goto(f"{site.origin}/instances/{INSTANCE}/console")
    page.wait_for_selector("#console canvas, #console[data-state=waiting]")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.query_selector("#console img, #console script, #console svg") is None


def test_the_serial_console_is_a_terminal(
    page: Page, site: ConsoleSite, agent: ConsoleAgent
) -> None:
    def echo(browser: object) -> None:
        browser.sendall(b"login: \x1b[31m" + XSS)  # type: ignore[attr-defined]
        while data := browser.recv(4096):  # type: ignore[attr-defined]
            browser.sendall(data)  # type: ignore[attr-defined]

    agent.guest = echo
    open_console(page, site, "serial")
    expect(page.locator(".xterm-rows")).to_contain_text("login:")
    page.keyboard.type("root")
    expect(page.locator(".xterm-rows")).to_contain_text("root")
    page.click("#console-paste")
    page.fill("#console-paste-text", "pasted text")
    page.click("button[value=type]")
    expect(page.locator(".xterm-rows")).to_contain_text("pasted text")
    assert page.evaluate("window.hacked") is None


def test_people_without_a_mouse_get_out_of_the_guest(
    page: Page, site: ConsoleSite, screen: FakeScreen
) -> None:
    open_console(page, site)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    page.keyboard.press("Control+Alt+Shift+A")
    assert page.evaluate("document.activeElement.closest('.bar') !== null")


def _eventually(condition: object, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)
