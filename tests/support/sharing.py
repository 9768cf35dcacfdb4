"""Which tests one worker runs together when ``pytest -n`` shares them among several.

Files are the units, but a folder whose tests share one real cloud stays whole,
and what lasts longest is begun first, so that no worker is left alone with it.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

# A cloud of real guests, or with a browser before it, is started once for such a folder.
WHOLE = ("tests/guests/", "tests/browser/")
APART = ("tests/guests/test_second_host.py", "tests/guests/test_under_fire.py")
LONGEST = (
    "tests/guests/",
    "tests/faults/",
    "tests/browser/",
    "tests/chaos/",
    "tests/migrations/",
    "tests/run/",
)


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Hands whole units to whichever worker is free."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """The unit that a test belongs to: its file, or its folder."""
    file = nodeid.split("::", 1)[0]
    if file in APART:
        return file
    return next((folder for folder in WHOLE if file.startswith(folder)), file)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the tests so that the units of long folders come first, each in its own order."""

    def place(item: pytest.Item) -> tuple[int, str]:
        unit = unit_of(item.nodeid)
        found = [number for number, folder in enumerate(LONGEST) if unit.startswith(folder)]
        return (found[0] if found else len(LONGEST), unit if found else "")

    items.sort(key=place)
