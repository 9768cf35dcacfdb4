"""From the click on "Open console" to the guest's first picture, in a real browser.

Both moments are taken in the browser's own clock: the click in the instance's
page, the picture when the console's canvas has its first pixel that is not
background.  The guest's firmware has written text on the screen by then.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.browser import chromium, logged_in
from benchmarks.figure import Figure
from tests.support.boot_sector import BUTTON, disk
from tests.support.guest_cloud import GuestCloud

OPENINGS = 10
BOOT_MS = 4000
OPENING_MS = 1000
CLOCK = "performance.timeOrigin + performance.now()"
# Looked at when something is drawn: looking at every frame would keep the page busy.
WATCH = f"""
addEventListener("click", () => sessionStorage.setItem("clicked", {CLOCK}), {{capture: true}});
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...what) {{
  draw.apply(this, what);
  if (window.picturedAfter || !this.canvas.closest("#console")) return;
  const box = [0, 0, Math.min(this.canvas.width, 400), Math.min(this.canvas.height, 200)];
  const pixels = new Uint32Array(this.getImageData(...box).data.buffer);
  if (pixels.some((pixel) => pixel & 0xffffff)) {{
    window.picturedAfter = {CLOCK} - sessionStorage.getItem("clicked");
  }}
}};
"""


def measure(cloud: GuestCloud) -> Iterator[Figure]:
    api = cloud.api
    server_id = api.create("pictured", api.upload("pictured", disk(BUTTON)))
    api.wait(server_id, "ACTIVE")
    with chromium() as browser:
        context = logged_in(browser, cloud)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.wait_for_timeout(BOOT_MS)
        taken = []
        for _ in range(OPENINGS + 1):
            page.goto(f"{cloud.url}/instances/{server_id}")
            page.wait_for_load_state("networkidle")
            page.click(f'a[href="/instances/{server_id}/console"]')
            # The browser's driver reads a large script of its own into a page that it asks
            # for something, so it asks for nothing while the console is opening.
            page.wait_for_timeout(OPENING_MS)
            page.wait_for_function("() => window.picturedAfter > 0")
            taken.append(float(page.evaluate("() => window.picturedAfter")))
    api.delete(server_id)
    api.wait_gone(server_id)
    first, *cached = taken
    yield Figure(
        "console_first_frame",
        "console, click to first picture, median",
        statistics.median(cached),
        "ms",
        150,
        "200 ms to RFB init",
        detail=f"{min(cached):.0f} to {max(cached):.0f}; the very first {first:.0f}",
    )
