"""Pictures of every page: both themes, both languages, three widths. ``make screenshots``.

It starts a cloud of its own with real guests, and writes PNG files into
tests/artefacts/ (``PAGE-LANGUAGE-THEME-WIDTH.png``) and the two that the
README shows into docs/screenshots/.  It judges nothing: people look.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import READY
from tests.browser.places import CONSOLES, GATES, places
from tests.support.browsing import (
    ARTEFACTS,
    DESKTOP,
    PHONE,
    ROOT,
    TABLET,
    chromium,
    log_in,
    press_keys,
)
from tests.support.guest_cloud import GuestCloud
from tests.support.stock_api import PASSWORD, StockApi, wait_for

CIDR, GATEWAY = "10.82.0.0/24", "10.82.0.1"
LOCALES = {"en": "en-GB", "vi": "vi-VN"}
THEMES = ("light", "dark")
# Pages that are also pictured narrow.
MAIN = (
    *("instances", "create-instance", "instance", "console", "images", "log", "login", "move"),
    *("hosts", "host", "drain-host", "health", "aggregates", "server-groups"),
)
README = {"instance": "instance.png", "console": "console.png"}
README_SIZE = {"width": 1200, "height": 720}
TALLEST = 4000


def main() -> None:
    """Start a cloud, furnish it, picture it, end it."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    cloud = GuestCloud(WEBCLOUD_DEFAULT_CIDR=CIDR)
    began = time.monotonic()
    try:
        cloud.start()
        with chromium() as browser:
            empty(browser, cloud)
            instance_id = furnish(cloud.api)
            for language, theme in itertools.product(LOCALES, THEMES):
                every_page(browser, cloud, instance_id, language, theme)
            for_readme(browser, cloud, instance_id)
    finally:
        cloud.end()
    count = len(list(ARTEFACTS.glob("*.png")))
    sys.stdout.write(f"{count} pictures in {ARTEFACTS}, {time.monotonic() - began:.0f} s\n")


def furnish(api: StockApi) -> str:
    """Instances in several states, a key pair, a group, a zone; the id of one that is up."""
    demo = api.image("demo")["id"]
    api.add_key("laptop")
    web = api.create("web-1", demo, key_name="laptop", description="The shop's front end")
    off = api.create("db-1", demo)
    wait_for(lambda: READY in api.console_log(off), 90, "the guest is not up")
    api.act(off, "os-stop")
    api.wait(off, "SHUTOFF", 70)
    wait_for(lambda: READY in api.console_log(web), 90, "the guest is not up")
    group_hosts(api)
    return web


def group_hosts(api: StockApi) -> None:
    """An availability zone with the host in it, an aggregate without, a server group."""
    compute = "/compute/v2.1"
    host = api.call("GET", f"{compute}/os-hypervisors")["hypervisors"][0]["hypervisor_hostname"]
    zone = {"name": "room-2", "availability_zone": "room-2"}
    made = api.call("POST", f"{compute}/os-aggregates", {"aggregate": zone})["aggregate"]
    path = f"{compute}/os-aggregates/{made['id']}/action"
    api.call("POST", path, {"add_host": {"host": host}})
    api.call("POST", path, {"set_metadata": {"metadata": {"disk": "ssd"}}})
    api.call("POST", f"{compute}/os-aggregates", {"aggregate": {"name": "spare"}})
    group = {"name": "web", "policy": "anti-affinity", "rules": {"max_server_per_host": 2}}
    api.call("POST", f"{compute}/os-server-groups", {"server_group": group})


def empty(browser: Browser, cloud: GuestCloud) -> None:
    """What a newcomer sees first."""
    context = open_context(browser, cloud, "en", "light")
    page = context.new_page()
    page.goto("/instances")
    page.screenshot(path=ARTEFACTS / "instances-empty-en-light-1440.png")
    context.close()


def every_page(
    browser: Browser, cloud: GuestCloud, instance_id: str, language: str, theme: str
) -> None:
    context = open_context(browser, cloud, language, theme)
    page = context.new_page()
    addresses = places(context, instance_id)
    picture_all(page, addresses, language, theme)
    context.close()
    visitor = browser.new_context(base_url=cloud.url, locale=LOCALES[language], color_scheme=theme)
    picture_all(visitor.new_page(), GATES, language, theme)
    visitor.close()


def picture_all(page: Page, addresses: Mapping[str, str], language: str, theme: str) -> None:
    for name, address in addresses.items():
        narrow = (TABLET, PHONE) if name in MAIN and theme == "light" else ()
        for size in (DESKTOP, *narrow):
            page.set_viewport_size(size)
            page.goto(address)
            path = ARTEFACTS / f"{name}-{language}-{theme}-{size['width']}.png"
            picture(page, name, path)


def picture(page: Page, name: str, path: Path) -> None:
    """The page as high as it is: bars that keep their place would lie across a long picture."""
    if name in CONSOLES:
        page.wait_for_selector("#console[data-state=connected]")
        page.wait_for_timeout(500)
    else:
        page.wait_for_load_state("networkidle")
        size = page.viewport_size or DESKTOP
        height = min(TALLEST, page.evaluate("document.scrollingElement.scrollHeight"))
        if height > size["height"]:
            page.set_viewport_size({**size, "height": height})
    page.screenshot(path=path)


def for_readme(browser: Browser, cloud: GuestCloud, instance_id: str) -> None:
    """The two pictures that are kept in the repository."""
    folder = ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    context = open_context(browser, cloud, "en", "light")
    page = context.new_page()
    page.set_viewport_size(README_SIZE)
    page.goto(f"/instances/{instance_id}")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / README["instance"])
    page.goto(f"/instances/{instance_id}/console")
    page.wait_for_selector("#console[data-state=connected]")
    press_keys(page, "clear\n")
    page.wait_for_timeout(1000)
    press_keys(page, "uname -srm; free -m; ip -4 address show eth0\n")
    page.wait_for_timeout(1000)
    press_keys(page, f"ping -c 3 {GATEWAY}\n")
    page.wait_for_timeout(4000)
    page.screenshot(path=folder / README["console"])
    context.close()


def open_context(browser: Browser, cloud: GuestCloud, language: str, theme: str) -> BrowserContext:
    """Logged in as ``admin``, whose language and theme are the browser's."""
    context = browser.new_context(
        base_url=cloud.url,
        locale=LOCALES[language],
        color_scheme=theme,
        viewport=DESKTOP,
    )
    page = context.new_page()
    log_in(page, cloud.url, "admin", PASSWORD)
    page.close()
    return context


if __name__ == "__main__":
    main()
