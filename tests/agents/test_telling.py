"""What has not changed is not told again, unless it was forgotten or is old."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from agents import channel, telling
from agents.agent import Agent
from agents.telling import ROOM, Told
from agents.wire.reports import DomainStates, Inventory
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost

INVENTORY = Inventory("n", "u", 2, "1", "test", "x86_64", 1, 1, 10 * ROOM, 5 * ROOM)


class Api:
    """A controller that says whether it wants all again."""

    def __init__(self) -> None:
        self.domains_told: list[DomainStates] = []
        self.inventories: list[Inventory] = []
        self.again = False

    def domains(self, states: DomainStates) -> bool:
        self.domains_told.append(states)
        return self.again

    def inventory(self, inventory: Inventory) -> None:
        self.inventories.append(inventory)


class Watcher:
    """A host without guests."""

    def __init__(self) -> None:
        self.sequence = 0

    def full(self) -> DomainStates:
        self.sequence += 1
        return DomainStates("r", self.sequence, True)

    def changed(self, *_: object) -> DomainStates | None:
        self.sequence += 1
        return DomainStates("r", self.sequence, False)


class Bench:
    """A teller whose turns are taken by the test."""

    def __init__(self) -> None:
        self.api, self.inventory, self.digest = Api(), INVENTORY, "d"
        parts: Any = (self.api, Watcher(), lambda: self.inventory, lambda: (self.digest, 1.0))
        self.teller = telling.Teller(*parts, 0.0)

    def turn(self) -> tuple[int, int]:
        """How often domains and inventory have been told after one more turn."""
        with self.teller._condition:
            self.teller._inventory_at = 0.0
        self.teller._tell()
        return len(self.api.domains_told), len(self.api.inventories)


def test_all_is_told_once_while_nothing_changes() -> None:
    bench = Bench()
    assert [bench.turn() for _ in range(3)] == [(1, 1)] * 3


def test_a_change_and_a_connection_that_came_back_are_told() -> None:
    bench = Bench()
    bench.turn()
    bench.digest = "e"
    assert bench.turn() == (2, 1)
    bench.inventory = replace(INVENTORY, cached_images=("i",))
    assert bench.turn() == (2, 2)
    bench.inventory = replace(bench.inventory, disk_free=5 * ROOM + 1)
    assert bench.turn() == (2, 2), "a little room less is no change"
    bench.inventory = replace(bench.inventory, disk_free=4 * ROOM)
    assert bench.turn() == (2, 3)
    bench.teller.tell_all()
    assert bench.turn() == (3, 4)


def test_a_list_that_could_not_be_used_yet_is_told_until_it_can() -> None:
    bench = Bench()
    bench.api.again = True
    assert [bench.turn()[0] for _ in range(3)] == [1, 2, 3]
    bench.api.again = False
    assert [bench.turn()[0] for _ in range(3)] == [4, 4, 4]


def test_after_a_single_change_all_is_told_again() -> None:
    bench = Bench()
    bench.turn()
    bench.teller._sweep_at = time.monotonic() + 60
    bench.teller.domain_event("x")
    assert bench.turn() == (2, 1)
    bench.teller._sweep_at = 0.0
    assert bench.turn() == (3, 1)


def test_what_is_old_or_was_forgotten_while_it_was_sent_is_news() -> None:
    told = Told()
    mark = told.mark
    assert told.is_news("a")
    told.delivered("a", mark)
    assert not told.is_news("a")
    told._until = 0.0
    assert told.is_news("a")
    told.forget()
    told.delivered("a", mark)
    assert told.is_news("a")


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who counts on hints asks for nothing unasked."""
    monkeypatch.setattr(channel, "POLL_SECONDS_HINTED", 3600.0)
    monkeypatch.setattr(channel, "POLL_SECONDS", 3600.0)
    yield


def test_an_agent_whose_hints_end_asks_at_once(
    controller: AgentController, test_host: AgentHost, never: None
) -> None:
    agent = test_host.start_inside()
    controller.wait_for(lambda: controller.hint_clients)
    settle(lambda: controller.polls)
    before = controller.polls
    for client in list(controller.hint_clients):
        controller._socketio.server.disconnect(client, namespace="/agents")
    controller.wait_for(lambda: controller.polls > before)
    assert agent.channel is not None


def settle(number: Callable[[], int]) -> None:
    """Wait until it has stood still for a moment."""
    last = -1
    while last != number():
        last = number()
        time.sleep(0.5)


def test_an_agent_that_hears_hints_asks_rarely_and_never_with_the_others() -> None:
    pauses = {channel.poll_seconds(True) for _ in range(20)}
    assert len(pauses) > 1
    assert min(pauses) > channel.POLL_SECONDS == channel.poll_seconds(False)


@pytest.mark.parametrize(
    ("works", "told"),
    [([False], True), ([True, True], False), ([True, False], True)],
    ids=["nobody is at it", "a command is", "its last command just ended"],
)
def test_an_event_is_told_unless_a_command_that_tells_it_is_still_at_work(
    works: list[bool], told: bool
) -> None:
    answers = iter(works)
    teller, looks = Bench().teller, list[int]()
    agent = SimpleNamespace(
        dispatcher=SimpleNamespace(works_on=lambda _id: next(answers)),
        teller=teller,
        surveyor=SimpleNamespace(soon=lambda: looks.append(1)),
    )
    Agent._domain_event(agent, "x")  # type: ignore[arg-type]
    assert ("x" in teller._changed) == ("x" not in teller._held) == bool(looks) == told
