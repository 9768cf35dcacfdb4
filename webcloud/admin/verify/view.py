"""What the comparisons of one host look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.wire.commands import Domain
from agents.wire.reports import SurveyResult
from webcloud.instances.models import Instance


@dataclass(frozen=True)
class View:
    """``settled`` are the instances that must be on ``host`` (its name) as their rows say.

    ``expected`` are the ids that may be there; ``elsewhere`` names, by
    instance, another host on which its domain is, too; ``wanted`` are their
    domains as they were described to the host.
    """

    host: str
    survey: SurveyResult
    settled: list[Instance]
    expected: set[str]
    elsewhere: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, Domain] = field(default_factory=dict)
