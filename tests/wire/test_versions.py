"""A field or verb that older agents do not know must say so, and is kept from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.wire import OLDEST_VERSION, WIRE_VERSION, commands
from agents.wire.codec import TooNew, decode, encode
from agents.wire.since import since
from tests.wire.contract import Contract, contract

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Inner:
    name: str
    colour: str = since(2, default="grey", vital=False)


@dataclass(frozen=True)
class Outer:
    inner: Inner
    many: tuple[Inner, ...] = ()
    limit: int = since(2, default=0)
    tags: tuple[str, ...] = since(3, default_factory=tuple)


def recorded(version: int) -> Contract:
    found: Contract = json.loads((RECORDED / f"v{version}.json").read_text())
    return found


@pytest.mark.parametrize("version", range(1, WIRE_VERSION))
def test_what_an_older_version_knows_never_changes(version: int) -> None:
    then, today = recorded(version), contract(version)
    assert today["verbs"] == then["verbs"]
    for name, fields in then["messages"].items():
        assert today["messages"].get(name) == fields, f"{name} changed without `since`"


def test_nothing_is_of_a_version_that_does_not_exist_yet() -> None:
    assert contract(WIRE_VERSION) == contract(99)
    assert set(commands.VERBS_SINCE) <= set(commands.VERBS)
    assert OLDEST_VERSION == WIRE_VERSION - 1 >= 1


def test_an_older_receiver_is_not_sent_what_it_does_not_know() -> None:
    message = Outer(Inner("a", "red"), (Inner("b"),))
    assert encode(message, 1) == {"inner": {"name": "a"}, "many": [{"name": "b"}]}
    assert encode(message, 2)["inner"] == {"name": "a", "colour": "red"}
    assert "tags" not in encode(message, 2)
    assert encode(message, 3)["tags"] == []


def test_what_an_older_receiver_must_know_is_not_sent_without_it() -> None:
    with pytest.raises(TooNew, match=r"Outer\.limit is not in version 1"):
        encode(Outer(Inner("a"), limit=3), 1)
    with pytest.raises(TooNew, match=r"Outer\.tags"):
        encode(Outer(Inner("a"), tags=("x",)), 2)
    assert encode(Outer(Inner("a"), limit=3), 2)["limit"] == 3


def test_what_an_older_sender_left_out_takes_its_default() -> None:
    assert decode(Outer, {"inner": {"name": "a"}}) == Outer(Inner("a", "grey"), (), 0, ())


def test_a_newer_field_without_a_default_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="needs a default"):
        since(2)


def test_a_verb_is_known_from_its_version_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.VERBS_SINCE, "survey", 2)
    assert [commands.knows(version, "survey") for version in (1, 2, 3)] == [False, True, True]
    assert commands.knows(1, "ensure_disk")


def test_a_changed_field_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class ReadConsoleLog:
        instance_id: str
        max_bytes: int = 65536
        colours: bool = False

    ReadConsoleLog.__module__ = commands.__name__
    monkeypatch.setattr(commands, "ReadConsoleLog", ReadConsoleLog)
    with pytest.raises(AssertionError, match="ReadConsoleLog changed without `since`"):
        test_what_an_older_version_knows_never_changes(1)
