"""Headless Chromium, logged in with a link of the cloud's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.support.guest_cloud import GuestCloud

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


def logged_in(browser: Browser, cloud: GuestCloud) -> BrowserContext:
    """A fresh browser, with nothing in its cache but the login page."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    said = cloud.run("user", "link", "admin").stdout
    link = re.search(r"http\S+/login#\S+", said)
    assert link is not None, said
    page.goto(link.group())
    page.wait_for_url(lambda url: "/login" not in url)
    page.close()
    return context
