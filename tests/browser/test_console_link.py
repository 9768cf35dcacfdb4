"""A console opens in its page's place, and the browser's own ways still work around it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browsing import Watch

pytestmark = pytest.mark.browser

CONNECTED = "#console[data-state=connected]"


def here(page: Page) -> bool:
    """Whether the document is still the one that was marked."""
    return bool(page.evaluate("window.marked === true"))


def click_through(page: Page, guest: str, **how: object) -> None:
    page.goto(f"/instances/{guest}")
    page.evaluate("window.marked = true")
    page.get_by_role("link", name="Open console").click(**how)  # type: ignore[arg-type]


def press(page: Page) -> None:
    """Put the button down on the link; returns when the console's page has come."""
    page.get_by_role("link", name="Open console").hover()
    with page.expect_response("**/console"):
        page.mouse.down()


def pages_asked_for(page: Page) -> list[str]:
    """The address of each console page that this page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda it: asked.append(it.url) if it.url.endswith("/console") else None)
    return asked


def test_a_click_opens_the_console_without_leaving_the_document(page: Page, guest: str) -> None:
    click_through(page, guest)
    page.wait_for_selector(CONNECTED)
    assert here(page)
    expect(page).to_have_url(f"/instances/{guest}/console")
    expect(page).to_have_title("Console of demo-1 · webcloud")
    page.reload()
    page.wait_for_selector(CONNECTED)
    assert not here(page)


def test_the_guest_is_called_once_and_before_its_page_is_written(page: Page, guest: str) -> None:
    called: list[str] = []
    page.on("websocket", lambda socket: called.append(socket.url))
    page.goto(f"/instances/{guest}")
    page.evaluate(
        """() => {
            window.order = [];
            const write = document.write.bind(document);
            document.write = (text) => { order.push("written"); write(text); };
            window.WebSocket = new Proxy(WebSocket, {
                construct(made, line) { order.push("called"); return new made(...line); },
            });
        }"""
    )
    page.get_by_role("link", name="Open console").click()
    page.wait_for_selector(CONNECTED)
    assert page.evaluate("order") == ["called", "written"]
    assert len([url for url in called if "/console/" in url]) == 1


def test_the_page_is_asked_for_when_the_button_goes_down_and_only_then(
    page: Page, guest: str
) -> None:
    asked = pages_asked_for(page)
    page.goto(f"/instances/{guest}")
    page.evaluate("window.marked = true")
    press(page)
    assert page.url.endswith(guest)
    page.mouse.up()
    page.wait_for_selector(CONNECTED)
    assert here(page)
    assert len(asked) == 1


def test_a_button_let_go_elsewhere_opens_nothing(page: Page, guest: str) -> None:
    called: list[str] = []
    page.on("websocket", lambda socket: called.append(socket.url))
    page.goto(f"/instances/{guest}")
    press(page)
    page.mouse.move(2, 2)
    page.mouse.up()
    page.wait_for_timeout(300)
    expect(page).to_have_url(f"/instances/{guest}")
    assert not [url for url in called if "/console/" in url]


def test_a_page_that_was_asked_for_too_long_ago_is_asked_for_again(page: Page, guest: str) -> None:
    """The instance may not be any more what it shows."""
    asked = pages_asked_for(page)
    page.goto(f"/instances/{guest}")
    press(page)
    page.wait_for_timeout(5200)
    page.mouse.up()
    page.wait_for_selector(CONNECTED)
    assert len(asked) == 2


def test_a_page_that_came_without_a_token_asks_for_one(page: Page, guest: str) -> None:
    """As when the instance was just starting."""

    def without_token(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(
            response=answer, body=re.sub(r'data-token="[^"]+"', 'data-token=""', answer.text())
        )

    page.route("**/console", without_token)
    with page.expect_request("**/console-token"):
        click_through(page, guest)
    page.wait_for_selector(CONNECTED)
    assert here(page)


def test_a_double_click_opens_one_console(page: Page, guest: str) -> None:
    click_through(page, guest, click_count=2)
    page.wait_for_selector(CONNECTED)
    page.wait_for_timeout(1000)
    assert page.query_selector(CONNECTED)
    page.go_back()
    expect(page).to_have_url(f"/instances/{guest}")


def test_nothing_of_the_page_lives_on_behind_the_console(
    page: Page, guest: str, watch: Watch
) -> None:
    """Neither its shortcuts nor its live connection; what it had asked for is not shown."""
    closed: list[str] = []
    page.on("websocket", lambda socket: socket.on("close", lambda it: closed.append(it.url)))
    click_through(page, guest)
    page.wait_for_selector(CONNECTED)
    page.keyboard.press("Control+k")
    page.keyboard.press("/")
    page.wait_for_timeout(300)
    assert page.query_selector("#page") is None
    assert page.query_selector("dialog[open]") is None
    assert page.query_selector(CONNECTED)
    assert any("/socket.io/" in url for url in closed)


def test_back_brings_the_page_again_and_forward_the_console(page: Page, guest: str) -> None:
    click_through(page, guest)
    page.wait_for_selector(CONNECTED)
    page.go_back()
    expect(page.get_by_role("link", name="Open console")).to_be_visible()
    expect(page).to_have_url(f"/instances/{guest}")
    page.go_forward()
    page.wait_for_selector(CONNECTED)
    expect(page).to_have_url(f"/instances/{guest}/console")


@pytest.mark.parametrize("how", [{"modifiers": ["Control"]}, {"button": "middle"}])
def test_another_tab_is_opened_as_everywhere(
    page: Page, guest: str, how: dict[str, object]
) -> None:
    asked = pages_asked_for(page)
    with page.context.expect_page() as opened:
        click_through(page, guest, **how)
    opened.value.wait_for_selector(CONNECTED)
    assert here(page)
    expect(page).to_have_url(f"/instances/{guest}")
    assert asked == []


@pytest.mark.parametrize("status", [0, 500])
def test_a_console_page_that_does_not_come_is_left_to_the_browser(
    page: Page, guest: str, watch: Watch, status: int
) -> None:
    watch.forgive("Failed to load resource|net::ERR_FAILED")

    def refuse(route: Route) -> None:
        if route.request.resource_type != "fetch":
            route.continue_()
        elif status:
            route.fulfill(status=status)
        else:
            route.abort()

    page.route("**/console", refuse)
    click_through(page, guest)
    page.wait_for_selector(CONNECTED)
    assert not here(page)
