"""The contract refuses everything that does not follow it to the letter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.wire.codec import WireError, decode, encode
from agents.wire.commands import (
    VERBS,
    Command,
    Domain,
    EnsureRunning,
    Interface,
    bridge_name,
    tap_name,
    verb_of,
)
from agents.wire.reports import DomainState, DomainStates, Report


@dataclass(frozen=True)
class Everything:
    word: str
    number: int
    fraction: float
    flag: bool
    anything: Any
    table: dict[str, str]
    plain_table: dict  # type: ignore[type-arg]
    names: tuple[str, ...]
    inner: Interface
    maybe: Interface | None = None
    maybe_word: str | None = None
    many: tuple[Interface, ...] = field(default=())


CARD = {"port_id": "p", "mac": "m", "bridge": "b", "mtu": 1400}
GOOD: dict[str, Any] = {
    "word": "w",
    "number": 1,
    "fraction": 0.5,
    "flag": True,
    "anything": [1, {"a": None}],
    "table": {"a": "b"},
    "plain_table": {},
    "names": ["x", "y"],
    "inner": CARD,
    "maybe": None,
    "maybe_word": "z",
    "many": [CARD],
}


def test_every_field_type_survives_the_way_there_and_back() -> None:
    message = decode(Everything, GOOD)
    assert message.inner == Interface("p", "m", "b", 1400)
    assert message.names == ("x", "y")
    assert message.many == (message.inner,)
    assert decode(Everything, json.loads(json.dumps(encode(message)))) == message


def test_an_optional_message_may_be_there() -> None:
    assert decode(Everything, {**GOOD, "maybe": CARD}).maybe == Interface("p", "m", "b", 1400)


def test_defaults_fill_what_is_left_out() -> None:
    short = {name: value for name, value in GOOD.items() if not name.startswith("ma")}
    assert decode(Everything, short).many == ()


def test_a_whole_number_will_do_for_a_fraction() -> None:
    value = decode(Everything, {**GOOD, "fraction": 1}).fraction
    assert isinstance(value, float)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surplus": 1}, "surplus: unknown field"),
        ({"word": 1}, "word: expected str"),
        ({"number": "1"}, "number: expected int"),
        ({"number": True}, "number: expected int"),
        ({"fraction": True}, "fraction: expected float"),
        ({"flag": 1}, "flag: expected bool"),
        ({"table": []}, "table: expected an object"),
        ({"plain_table": 3}, "plain_table: expected an object"),
        ({"names": "xy"}, "names: expected a list"),
        ({"names": ["x", 2]}, "names[1]: expected str"),
        ({"inner": {**CARD, "mtu": "big"}}, "inner.mtu: expected int"),
        ({"inner": None}, "inner.: expected an object"),
        ({"many": [{}]}, "many[0].port_id: missing"),
        ({"maybe_word": 5}, "maybe_word: expected str"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(WireError) as refusal:
        decode(Everything, {**GOOD, **change})
    assert str(refusal.value) == named


def test_a_missing_field_and_a_message_that_is_no_object_are_refused() -> None:
    with pytest.raises(WireError, match="word: missing"):
        decode(Everything, {name: value for name, value in GOOD.items() if name != "word"})
    with pytest.raises(WireError, match="Report: expected an object"):
        decode(Report, ["done"])


def test_every_verb_knows_its_payload_and_back() -> None:
    for name, kind in VERBS.items():
        assert verb_of(object.__new__(kind)) == name
    with pytest.raises(KeyError):
        verb_of(Command("i", "v", "s", 1, {}))


def test_a_whole_command_travels() -> None:
    domain = Domain("i", "n", "p", 1, 64, 2, interfaces=(Interface("p", "m", "b"),))
    payload = encode(EnsureRunning(domain))
    command = Command("c", "ensure_running", "i", 3, payload, operation_id="o", step="start")
    arrived = decode(Command, json.loads(json.dumps(encode(command))))
    assert decode(VERBS[arrived.verb], arrived.payload) == EnsureRunning(domain)


def test_domain_states_travel() -> None:
    states = DomainStates("run", 1, True, (DomainState("i", "running", boot=2),), ("gone",))
    assert decode(DomainStates, json.loads(json.dumps(encode(states)))) == states


def test_device_names_fit_the_kernel() -> None:
    port = "0b869b65-22ac-4192-81ca-c5c529b221ef"
    assert tap_name(port) == "tap0b869b6522a"
    assert bridge_name(port) == "br0b869b6522a"
    assert max(len(tap_name(port)), len(bridge_name(port))) <= 15
