"""A small cloud for each case."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import schemas
from tests.support.session_libvirtd import Hypervisors, hypervisors
from tests.support.small_cloud import SmallCloud
from tests.support.worker_process import Workers, workers
from webcloud.hosts import commands, presence

__all__ = ["hypervisors"]


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder whose files are in memory where that can be: no case waits for a disk."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="wc-", dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cloud(memory_path: Path, hypervisors: Hypervisors) -> Iterator[SmallCloud]:
    """A cloud without hosts; the scenario adds those it needs."""
    url = schemas.chosen.with_tables(memory_path / "webcloud.db")
    made = SmallCloud(memory_path / "cloud", url, hypervisors)
    yield made
    made.close()


@pytest.fixture(scope="session")
def worker() -> Iterator[Workers]:
    """Conductors in processes of their own."""
    with workers() as made:
        yield made


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed on a host is asked for again at once, and a slow machine silences none."""
    monkeypatch.setattr(commands, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(presence, "SILENT_AFTER", timedelta(hours=1))
