"""What a request for instances would lead to: everything is checked, nothing is done.

It refuses what ``creation.create`` refuses, but for missing room, which is
its answer.  Nothing is written, claimed or audited.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from webcloud.identity import quotas
from webcloud.identity.callers import Caller
from webcloud.instances import creation, placing
from webcloud.instances.forms import NewInstance
from webcloud.scheduler.placement import Decision
from webcloud.words import Said, say, word


@dataclass(frozen=True)
class Preview:
    """One decision for each instance, as far as they find room; ``count`` were asked for."""

    decisions: tuple[Decision, ...]
    count: int

    @property
    def fitting(self) -> int:
        """How many would find a host."""
        return sum(bool(decision.ranking) for decision in self.decisions)

    @property
    def possible(self) -> bool:
        return self.fitting == self.count

    @property
    def message(self) -> Said:
        """One sentence for people, which names no host."""
        if self.possible:
            return (
                say("There is room for it.") if self.count == 1 else say("There is room for all.")
            )
        why = self.decisions[-1].why_none
        if not self.fitting:
            return word(why)
        return say(
            "There is room for {fitting} of {count}. {why}",
            fitting=self.fitting,
            count=self.count,
            why=why,
        )


def room(session: Session, caller: Caller, form: NewInstance) -> Preview:
    """Whether the size, image, zone and group alone find room; the rest is not looked at."""
    request = creation.room_request(session, caller, form)
    return Preview(tuple(placing.rehearse(session, request, form.count)), form.count)


def preview(session: Session, caller: Caller, form: NewInstance) -> Preview:
    """Raises BadRequest, NotFound, Conflict, QuotaExceeded as creating does."""
    checked = creation.checked(session, caller, form)
    quotas.check(session, caller.project_id, checked.amounts)
    request = placing.request(session, checked.flavor, checked.image, checked.where)
    return Preview(tuple(placing.rehearse(session, request, form.count)), form.count)
