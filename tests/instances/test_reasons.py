"""Whatever can speak against or for a host has a name in words."""

from __future__ import annotations

from flask import Flask

from webcloud.instances import reasons
from webcloud.scheduler.filters import FILTERS
from webcloud.scheduler.weighers import WEIGHERS

# Verdicts that no filter gives: the room went between, or a move cannot go there.
OF_PLACING, OF_MOVING = "claim", "move"


def test_every_filter_and_every_weigher_has_words() -> None:
    assert set(reasons.FILTERS) == {OF_PLACING, OF_MOVING, *(each.name for each in FILTERS)}
    assert set(reasons.WEIGHERS) == {name for name, _ in WEIGHERS}


def test_they_are_said_in_the_readers_language(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "vi"}):
        assert reasons.filter_words("move") == "di chuyển được"
        assert reasons.filter_words("of_an_earlier_version") == "of_an_earlier_version"
        assert reasons.weigher_words("spread") != "free memory"
