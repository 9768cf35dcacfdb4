"""Chooses hosts for a request and keeps why.

``choose`` is pure; whoever calls it claims the room on the first host of the
ranking, and on the next one when that claim is lost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from webcloud.scheduler import plainly
from webcloud.scheduler.filters import FILTERS, Refusal
from webcloud.scheduler.request import Candidate, Request
from webcloud.scheduler.weighers import Factors, Weigher, wanted
from webcloud.words import Said, join, say, stored

# Hosts that are kept with a decision; of the others only how many there were.
MOST_KEPT = 50
# Hosts of which one message says what they lack.
MOST_NAMED = 10
LOST = "claim"


class Verdict(NamedTuple):
    """What was found about one host: what refused it, or how it weighed."""

    host_id: str
    host_name: str
    filter: str = ""
    refusal: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    total: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.filter

    def as_json(self) -> dict[str, object]:
        """The shape that is stored with the instance."""
        if self.passed:
            weights = {name: round(weight, 4) for name, weight in self.weights}
            return {"host": self.host_name, "weights": weights}
        return {"host": self.host_name, "filter": self.filter, **stored(self.refusal)}

    def told(self) -> dict[str, object]:
        """The same for an API's answer, the refusal in words."""
        told = self.as_json()
        if told.pop("said", None):
            told["refusal"] = str(self.refusal)
        return told


@dataclass(frozen=True)
class Decision:
    """Passed hosts first, best first; then the refused ones by name.

    ``why_none`` is one sentence for people, naming no host; "" when a host passed.
    ``zone`` is that of the host whose room was claimed, once it was.
    """

    verdicts: tuple[Verdict, ...]
    why_none: str = ""
    zone: str = ""

    @property
    def ranking(self) -> tuple[str, ...]:
        """Ids of the hosts that can take it, best first."""
        return tuple(verdict.host_id for verdict in self.verdicts if verdict.passed)

    @property
    def lacks(self) -> Said:
        """For operators: what each refused host lacks, the first ones by name; "" when none."""
        refused = [verdict for verdict in self.verdicts if not verdict.passed]
        named = [
            say("{host} {refusal}", host=each.host_name, refusal=each.refusal)
            for each in refused[:MOST_NAMED]
        ]
        if len(refused) > MOST_NAMED:
            named.append(say("and {count} more", count=len(refused) - MOST_NAMED))
        return join("; ", named)

    def counts(self) -> dict[str, int]:
        """How many hosts passed ("passed") and how many each filter refused."""
        return dict(Counter(verdict.filter or "passed" for verdict in self.verdicts))

    def kept(self) -> list[dict[str, object]]:
        """The best hosts and the first refused ones: bounded, however many hosts there are."""
        passed = [verdict for verdict in self.verdicts if verdict.passed]
        refused = [verdict for verdict in self.verdicts if not verdict.passed]
        return [each.as_json() for each in (*passed[:MOST_KEPT], *refused[:MOST_KEPT])]

    def without(self, lost: set[str]) -> Decision:
        """The same, with the hosts whose room was taken before it could be claimed."""
        if not lost:
            return self
        words = say("had its room taken by another instance a moment ago")
        verdicts = [
            each._replace(filter=LOST, refusal=words, weights=(), total=0.0)
            if each.host_id in lost
            else each
            for each in self.verdicts
        ]
        verdicts.sort(key=_order)
        why = self.why_none
        if not any(verdict.passed for verdict in verdicts):
            why = say("The last room was taken by other instances a moment ago.")
        return Decision(tuple(verdicts), why)


def choose(
    request: Request, candidates: list[Candidate], factors: Factors | None = None
) -> Decision:
    """Filter, weigh and rank. Equal weights are ordered by host name."""
    weighers = wanted(request, factors or Factors())
    asked = [(each.name, each.refusal) for each in FILTERS if each.concerns(request)]
    verdicts = [_judge(request, candidate, asked, weighers) for candidate in candidates]
    why: Said | str = ""
    if not any(verdict.passed for verdict in verdicts):
        refused = [
            (host, verdict.filter) for host, verdict in zip(candidates, verdicts, strict=True)
        ]
        why = plainly.why_none(request, refused)
    verdicts.sort(key=_order)
    return Decision(tuple(verdicts), why)


def _order(verdict: Verdict) -> tuple[bool, float, str]:
    return not verdict.passed, -verdict.total, verdict.host_name


def _judge(
    request: Request,
    candidate: Candidate,
    asked: list[tuple[str, Refusal]],
    weighers: tuple[tuple[str, float, Weigher], ...],
) -> Verdict:
    for name, refusal in asked:
        reason = refusal(request, candidate)
        if reason is not None:
            return Verdict(candidate.host_id, candidate.name, name, reason)
    weights = [(name, factor * weigh(request, candidate)) for name, factor, weigh in weighers]
    total = sum([weight for _, weight in weights])
    return Verdict(candidate.host_id, candidate.name, weights=tuple(weights), total=total)
