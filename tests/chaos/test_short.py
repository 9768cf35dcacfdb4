"""The short form of ``make chaos``: fifty kills under load lose nothing."""

from __future__ import annotations

from tests.chaos.report import lines
from tests.chaos.run import Chaos, Options

# A long run is made by hand: ``make chaos ARGS="--kills 1000 --minutes 60"``.
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
