"""A headless Chromium, and what its pages complained about.

Every context is watched: errors on the console (refusals by the content
security policy among them), uncaught exceptions, dialogs that a script
opened, and requests that leave the cloud's own address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    sync_playwright,
)

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP = {"width": 1440, "height": 900}
TABLET = {"width": 1024, "height": 768}
PHONE = {"width": 390, "height": 844}
SECONDS = 1000  # Playwright counts milliseconds.

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "tests" / "artefacts"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
BARRIERS = """async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  const words = (node) => `${node.html.slice(0, 160)} ${node.failureSummary}`;
  const violations = found.violations.map(
    ({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(words) }));
  return { held: found.passes.length, violations };
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The distribution's own browser, ended with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


# A network card came or went on this machine, as with every guest, while a request was sent.
OF_THE_MACHINE = re.compile(r"Failed to load resource: net::ERR_NETWORK_CHANGED$")


class Watch:
    """What went wrong in a context's pages; ``forgive`` what a test provokes."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._origin = origin
        self._seen: list[str] = []
        self._forgiven = [OF_THE_MACHINE]
        context.on("console", self._console)
        context.on("weberror", lambda error: self._seen.append(f"exception: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)

    def forgive(self, pattern: str) -> None:
        self._forgiven.append(re.compile(pattern))

    @property
    def complaints(self) -> list[str]:
        return [
            line for line in self._seen if not any(each.search(line) for each in self._forgiven)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            page = message.page.url if message.page else ""
            self._seen.append(f"{message.type} on {page}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self._seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        own = (self._origin, self._origin.replace("http", "ws"), "data:", "blob:", "about:")
        if not request.url.startswith(own):
            self._seen.append(f"request to another site: {request.url}")


SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))


def press_keys(page: Page, text: str) -> None:
    """As on a US keyboard, with Shift held where a person would hold it."""
    for character in text:
        if character == "\n":
            page.keyboard.press("Enter")
        elif character in SHIFTED or character.isupper():
            page.keyboard.press(f"Shift+{SHIFTED.get(character, character)}")
        else:
            page.keyboard.press(character if character != " " else "Space")
        page.wait_for_timeout(15)


def log_in(page: Page, url: str, name: str, password: str) -> None:
    """Through the login form, in whatever language it is, onto the first page."""
    page.goto(f"{url}/login")
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.locator("#password").press("Enter")
    page.wait_for_url(lambda address: "/login" not in address)


def barriers(page: Page) -> list[dict[str, Any]]:
    """What axe-core calls a violation, however small; the context must bypass the CSP."""
    page.add_script_tag(path=AXE)
    found = page.evaluate(BARRIERS)
    assert found["held"] > 5, "hardly a rule of axe-core found anything to look at"
    violations: list[dict[str, Any]] = found["violations"]
    return violations


def described(found: list[dict[str, Any]]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False)


def is_too_wide(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    wide: bool = page.evaluate(
        "document.scrollingElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wide
