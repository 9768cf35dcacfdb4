"""What an agent does on each word that comes over its connection for hints."""

from __future__ import annotations

from typing import cast

import pytest
import websocket

from agents.hints import NAMESPACE, HintRefused, Hints


def heard(*frames: str) -> list[str]:
    """What an agent does on these frames."""
    done: list[str] = []
    hints = Hints(
        "http://127.0.0.1:1",
        lambda: ("host", "secret"),
        lambda: done.append("asks for work"),
        lambda: done.append("tells all"),
    )
    for frame in frames:
        hints._take(cast(websocket.WebSocket, None), frame)
    return done


def test_work_is_asked_for_and_all_is_told_when_that_is_wanted() -> None:
    assert heard(f'42{NAMESPACE},["work"]') == ["asks for work"]
    assert heard(f'42{NAMESPACE},["tell"]') == ["tells all"]
    assert heard(f"40{NAMESPACE},") == ["tells all"]


def test_words_that_nobody_knows_are_passed_over() -> None:
    assert heard(f'42{NAMESPACE},["later"]', f'42{NAMESPACE},"work"', "6") == []


def test_a_closed_namespace_is_a_refusal() -> None:
    with pytest.raises(HintRefused):
        heard(f"41{NAMESPACE},")
