"""A batch does its parts in order, and the first that fails or is overtaken ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.dispatch import Task
from agents.errors import AgentError, Superseded
from agents.handlers import _batch
from agents.wire.codec import WireError, encode
from agents.wire.commands import Batch, Command, EnsureDiskAbsent, EnsureStopped, Part, verb_of

Done = list[str]


def part(name: str, payload: Any) -> Part:
    return Part(name, verb_of(payload), encode(payload))


def task() -> Task:
    return Task(Command("c", "batch", "s", 1, {}), lambda report: None)


def handlers(done: Done, **fails: Exception) -> dict[str, Callable[[Any, Task], dict[str, Any]]]:
    def handler(verb: str) -> Callable[[Any, Task], dict[str, Any]]:
        def handle(order: Any, _task: Task) -> dict[str, Any]:
            if verb in fails:
                raise fails[verb]
            done.append(f"{verb} {order.instance_id}")
            return {"did": verb}

        return handle

    return {verb: handler(verb) for verb in ("ensure_disk_absent", "ensure_stopped")}


BOTH = Batch((part("off", EnsureStopped("i")), part("disk", EnsureDiskAbsent("i"))))


def test_parts_are_done_in_order_and_reported_by_name() -> None:
    done: Done = []
    result = _batch(handlers(done), BOTH, task())
    assert done == ["ensure_stopped i", "ensure_disk_absent i"]
    assert result == {"off": {"did": "ensure_stopped"}, "disk": {"did": "ensure_disk_absent"}}


def test_what_follows_a_failed_part_is_not_done() -> None:
    done: Done = []
    trouble = AgentError("libvirt", "away", True)
    with pytest.raises(AgentError) as failure:
        _batch(handlers(done, ensure_stopped=trouble), BOTH, task())
    assert failure.value is trouble
    assert done == []


def test_a_batch_that_is_overtaken_stops_before_its_next_part() -> None:
    done: Done = []
    running = task()
    stopping = handlers(done)
    real = stopping["ensure_stopped"]

    def overtaken(order: Any, own: Task) -> dict[str, Any]:
        own.superseded.set()
        return real(order, own)

    stopping["ensure_stopped"] = overtaken
    with pytest.raises(Superseded):
        _batch(stopping, BOTH, running)
    assert done == ["ensure_stopped i"]


def test_a_verb_nobody_knows_and_a_batch_in_a_batch_are_refused() -> None:
    for verb in ("make_tea", "batch"):
        with pytest.raises(AgentError) as failure:
            _batch(handlers([]), Batch((Part("x", verb, {}),)), task())
        assert failure.value.code == "bad_command"


def test_a_part_that_does_not_follow_the_contract_is_refused() -> None:
    with pytest.raises(WireError):
        _batch(handlers([]), Batch((Part("x", "ensure_stopped", {}),)), task())
