"""What a run came to, for people and as one line of JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.ledger import Verdict
from tests.chaos.takeover import percentile
from tests.chaos.victims import Injury


@dataclass
class Outcome:
    """One run. ``settled_seconds``: from the last injury's end to the last operation's."""

    seed: int
    database: str
    hosts: int
    injuries: list[Injury]
    verdict: Verdict
    takeovers: list[float]
    settled_seconds: float
    seconds: float
    problems: list[str] = field(default_factory=list)
    interrupted: int = 0

    @property
    def clean(self) -> bool:
        return self.verdict.clean and not self.problems

    @property
    def kills(self) -> int:
        return sum(injury.kind == "kill" for injury in self.injuries)


def lines(outcome: Outcome) -> list[str]:
    """The closing summary."""
    verdict = outcome.verdict
    said = [
        (
            f"chaos: {outcome.database}, {outcome.hosts} hosts, seed {outcome.seed}, "
            f"{outcome.seconds:.0f} s"
        ),
        f"  kills              {outcome.kills}, of {len(outcome.injuries)} injuries",
    ]
    counted = Counter((each.victim, each.kind) for each in outcome.injuries)
    said += [f"    {kind:<7}{victim:<12}{count}" for (victim, kind), count in counted.most_common()]
    said += [
        (
            f"  requests accepted  {verdict.accepted} "
            f"(refused {verdict.refused}, unanswered {verdict.unanswered})"
        ),
        f"  operations ended   {sum(verdict.ended.values())}",
    ]
    said += [f"    {words:<50}{count}" for words, count in verdict.ended.most_common()]
    said += [
        f"  lost               {len(verdict.lost)}",
        f"  left over          {len(verdict.left_over)}",
        f"  duplicates         {len(verdict.duplicates)}",
        f"  unclear answers    {len(verdict.unclear)}",
        f"  verify             {len(outcome.problems)} problems",
        f"  settled            {outcome.settled_seconds:.1f} s after the last injury",
        (
            f"  take-over          {len(outcome.takeovers)} held leases "
            f"(and {outcome.interrupted} whose heir was struck), "
            f"p50 {percentile(outcome.takeovers, 0.5):.1f} s, "
            f"p99 {percentile(outcome.takeovers, 0.99):.1f} s"
        ),
    ]
    named = (
        ("lost", verdict.lost),
        ("left over", verdict.left_over),
        ("duplicate", verdict.duplicates),
        ("unclear", verdict.unclear),
        ("verify", outcome.problems),
    )
    said += [f"  {name}: {words}" for name, found in named for words in found[:50]]
    return said


def as_json(outcome: Outcome) -> str:
    verdict = outcome.verdict
    return json.dumps(
        {
            "seed": outcome.seed,
            "database": outcome.database,
            "hosts": outcome.hosts,
            "seconds": round(outcome.seconds, 1),
            "kills": outcome.kills,
            "injuries": len(outcome.injuries),
            "accepted": verdict.accepted,
            "lost": len(verdict.lost),
            "left_over": len(verdict.left_over),
            "duplicates": len(verdict.duplicates),
            "takeover_p50": round(percentile(outcome.takeovers, 0.5), 2),
            "takeover_p99": round(percentile(outcome.takeovers, 0.99), 2),
        }
    )
