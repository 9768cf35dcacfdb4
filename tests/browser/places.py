"""Every page there is, by name, in a cloud that has one instance."""

from __future__ import annotations

import re
from collections.abc import Mapping

from playwright.sync_api import BrowserContext

# Pages that fill the window with a guest and have no frame.
CONSOLES = ("console", "serial")
# What a visitor sees who is not logged in.
GATES = {"login": "/login"}


def places(context: BrowserContext, instance_id: str) -> Mapping[str, str]:
    """Addresses of all pages that somebody logged in as an operator can open."""
    return {
        "instances": "/instances",
        "instances-none-found": "/instances?q=name:nothing-is-called-so",
        "create-instance": "/instances/new",
        "instance": f"/instances/{instance_id}",
        "log": f"/instances/{instance_id}/log",
        "move": f"/instances/{instance_id}/move",
        "console": f"/instances/{instance_id}/console",
        "serial": f"/instances/{instance_id}/console?kind=serial",
        "images": "/images",
        "add-image": "/images/new",
        "key-pairs": "/key-pairs",
        "networks": "/networks",
        "server-groups": "/server-groups",
        "activity": "/activity",
        "operation": _first_link(context, "/activity"),
        "hosts": "/hosts",
        "host": _first_link(context, "/hosts"),
        "drain-host": f"{_first_link(context, '/hosts')}/drain",
        "aggregates": "/aggregates",
        "health": "/health",
        "flavors": "/flavors",
        "missing": "/instances/00000000-0000-4000-8000-000000000000",
    }


def _first_link(context: BrowserContext, path: str) -> str:
    """The first address below the path that its page links to."""
    answer = context.request.get(path, headers={"Accept": "text/html"})
    found = re.search(rf'href="({path}/[0-9a-f-]{{36}})"', answer.text())
    assert found is not None, f"{path} links to nothing of its own"
    return found.group(1)
