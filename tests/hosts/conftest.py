"""A host's side of the edge, and a registry that holds only what a test makes."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.hosts.agents_edge import AgentSide, enrol
from webcloud.conductor import registry


@pytest.fixture
def agent(app: Flask) -> AgentSide:
    return enrol(app, "n1")


@pytest.fixture
def own_kinds(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    """Once the application has registered its operations, none is known."""
    monkeypatch.setattr(registry, "_operations", {})
