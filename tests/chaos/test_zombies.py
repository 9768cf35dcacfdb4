"""Who comes back after the lease has ended, or after the command was taken back, does nothing.

Two hundred trials of each kind are made by ``make zombies``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import late_agents, zombie, zombies
from tests.support.databases import Servers, servers
from webcloud.conductor import registry

__all__ = ["servers"]


@pytest.fixture(autouse=True)
def registry_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind that the trials register is unknown again after the test."""
    monkeypatch.setattr(registry, "_operations", dict(registry._operations))
    zombie.kind.cache_clear()


@pytest.mark.parametrize(("kind", "place"), zombies.ON_SERVERS)
def test_a_conductor_that_wakes_after_its_lease_writes_nothing(
    servers: Servers, kind: str, place: str
) -> None:
    assert zombies.conductors(servers.url(kind), place, 10) == []


def test_a_conductor_on_sqlite_that_wakes_after_its_lease_writes_nothing(tmp_path: Path) -> None:
    assert zombies.conductors(f"sqlite:///{tmp_path}/test.sqlite", "before", 10) == []


def test_an_agent_that_wakes_after_its_work_was_taken_back_leaves_nothing() -> None:
    trials, found = late_agents.trials(16, hosts=3)
    assert found == []
    assert trials >= 16
