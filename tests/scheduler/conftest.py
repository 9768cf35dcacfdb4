"""A database of its own for each test, on each kind in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import KINDS, Servers, servers, with_every_table
from webcloud.db import Database

__all__ = ["servers"]


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path
) -> Iterator[Database]:
    """A database with every table and no row."""
    own = tmp_path / "webcloud.db"
    url = f"sqlite:///{own}" if request.param == "sqlite" else servers.url(request.param)
    with with_every_table(url) as made:
        yield made
