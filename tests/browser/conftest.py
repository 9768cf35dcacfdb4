"""One real cloud and one Chromium for all tests of this folder; every page is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browsing import DESKTOP, SECONDS, Watch, chromium, log_in
from tests.support.guest_cloud import GuestCloud
from tests.support.stock_api import PASSWORD, StockApi, wait_for

READY = "webcloud demo ready"

OpenContext = Callable[..., BrowserContext]


@pytest.fixture(scope="package")
def cloud() -> Iterator[GuestCloud]:
    """The cloud, started once; in the end nothing is left of what the tests made."""
    running = GuestCloud()
    try:
        running.start()
        yield running
        running.wait_answering()
        running.delete_all()
        running.verify()
    finally:
        running.end()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def logged_in(cloud: GuestCloud, browser: Browser) -> Any:
    """The cookies of the user ``admin``."""
    context = browser.new_context()
    log_in(context.new_page(), cloud.url, "admin", PASSWORD)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def watches() -> list[Watch]:
    """One for each context of the test."""
    return []


@pytest.fixture
def open_context(
    cloud: GuestCloud, browser: Browser, watches: list[Watch]
) -> Iterator[OpenContext]:
    """Makes a watched context; at the end of the test none may have complained."""
    contexts = []

    def make(**options: Any) -> BrowserContext:
        given = {"viewport": DESKTOP, "base_url": cloud.url, "locale": "en-GB", **options}
        context = browser.new_context(**given)
        context.set_default_timeout(20 * SECONDS)
        contexts.append(context)
        watches.append(Watch(context, cloud.url))
        return context

    yield make
    complaints = [line for watch in watches for line in watch.complaints]
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_context: OpenContext, logged_in: Any) -> Page:
    """A page of the user ``admin``, on a desktop."""
    return open_context(storage_state=logged_in).new_page()


@pytest.fixture
def watch(page: Page, watches: list[Watch]) -> Watch:
    """The watch of ``page``."""
    return watches[0]


@pytest.fixture(scope="package")
def mai(cloud: GuestCloud) -> StockApi:
    """A user with an empty project of her own: her API; her password is everyone's."""
    assert cloud.run("user", "create", "mai").returncode == 0
    assert cloud.run("user", "password", "mai", given=f"{PASSWORD}\n").returncode == 0
    return StockApi(cloud.url, user="mai", project="mai")


@pytest.fixture(scope="package")
def guest(cloud: GuestCloud) -> str:
    """The id of a demo instance of project admin whose shell waits for input."""
    server_id = cloud.api.create("demo-1", cloud.api.image("demo")["id"])
    cloud.api.wait(server_id, "ACTIVE")
    wait_for(lambda: READY in cloud.api.console_log(server_id), 120, "the guest is not up")
    return server_id
