"""The dashboard's first load: bytes on the wire, and how many rounds they take.

A browser with an empty cache opens the page of instances.  A *round* is what
can be asked for at once: the page, then what its own HTML names, then what
scripts or style sheets ask for after that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks.browser import chromium, logged_in
from benchmarks.figure import Figure
from tests.support.guest_cloud import GuestCloud

QUIET_MS = 1500


def measure(cloud: GuestCloud) -> Iterator[Figure]:
    with chromium() as browser:
        page = logged_in(browser, cloud).new_page()
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.send("Network.clearBrowserCache")
        sizes: dict[str, float] = defaultdict(float)
        initiators: dict[str, dict[str, Any]] = {}
        urls: dict[str, str] = {}

        def asked(event: dict[str, Any]) -> None:
            urls[event["requestId"]] = event["request"]["url"]
            initiators[event["requestId"]] = event["initiator"]

        wire.on("Network.requestWillBeSent", asked)
        wire.on(
            "Network.loadingFinished",
            lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
        )
        address = f"{cloud.url}/instances"
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(QUIET_MS)
        assets = {key: url for key, url in urls.items() if "/socket.io/" not in url}
        later = [
            url for key, url in assets.items() if not _in_first_round(initiators[key], address)
        ]
        heaviest = sorted(assets, key=lambda key: -sizes[key])[:3]
        names = ", ".join(
            f"{assets[key].rsplit('/', 1)[-1]} {sizes[key] / 1e3:.0f}" for key in heaviest
        )
    yield Figure(
        "first_load",
        "dashboard, compressed, all of the first load",
        sum(sizes[key] for key in assets) / 1000,
        "KB",
        400,
        detail=f"{len(assets)} requests; {names}",
    )
    yield Figure(
        "first_load_later_rounds",
        "requests after the first round",
        len(later),
        "requests",
        0,
        detail=" ".join(url.rsplit("/", 1)[-1] for url in later),
    )


def _in_first_round(initiator: dict[str, Any], address: str) -> bool:
    """Whether the page itself, or the person who opened it, asked for it."""
    if initiator["type"] == "other":
        return True
    return initiator["type"] == "parser" and initiator.get("url", "") == address
