"""The short form of ``make chaos``: fifty kills under load lose nothing."""

from __future__ import annotations

import math

from tests.chaos.report import lines
from tests.chaos.run import Chaos, Options, chosen

# A long run is made by hand: ``make chaos ARGS="--kills 1000"``.
SHORT = Options(minutes=2.0, kills=50, seed=20, hosts=8, shortest=0.5, longest=2.0)


def test_fifty_kills_lose_nothing_leave_nothing_and_do_nothing_twice() -> None:
    chaos = Chaos(SHORT)
    clean = False
    try:
        outcome = chaos.run()
        said = "\n".join(lines(outcome))
        print(said)
        clean = outcome.clean
        assert clean, f"kept in {chaos.cloud.base}\n{said}"
        assert outcome.kills >= SHORT.kills
        assert outcome.verdict.accepted > 0
    finally:
        chaos.end()
        if clean:
            chaos.cloud.remove()
        else:
            print(f"kept in {chaos.cloud.base}, seed {SHORT.seed}")


def test_kills_that_are_asked_for_are_not_cut_short_by_the_usual_time() -> None:
    assert chosen({"kills": 1000, "minutes": None}) == Options(minutes=math.inf, kills=1000)
    assert chosen({"kills": 1000, "minutes": 60.0}) == Options(minutes=60, kills=1000)
    assert chosen({"kills": None, "seed": 5}) == Options(seed=5)
