"""The databases, and a registry that forgets what a test registered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import database
from webcloud.conductor import registry, signals

__all__ = ["database"]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test registers what it needs, and only that is known."""
    monkeypatch.setattr(registry, "_operations", {})
    monkeypatch.setattr(registry, "_periodics", {})
    monkeypatch.setattr(signals, "_change", [])
    monkeypatch.setattr(signals, "_accepted", [])
    monkeypatch.setattr(signals, "_turned", [])
    yield
