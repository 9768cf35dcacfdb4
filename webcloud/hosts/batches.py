"""Several commands to one host as one: one hint, one question, one report.

The parts are done in the order given, and the first that fails ends them all.
What failed is asked for again as a whole, which is harmless, because every
part is an *ensure*.  An agent that knows no batches is given one part after
the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agents.wire.commands import Batch, Part, verb_of
from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.hosts import commands, versions
from webcloud.hosts.models import Host

Payloads = Callable[[], Mapping[str, Any]]


def ask_in_order(run: Run, host_id: str, payloads: Payloads) -> Done | Wait:
    """Have the host do what ``payloads()`` names, which is called only when it is given.

    Done holds what the parts reported, merged; it is Done at once when there is
    nothing to do.  Raises StepFailed as ``commands.ask`` does.
    """
    row = commands.standing(run)
    if row is not None:
        outcome = commands.carry_on(run, host_id, row, lambda: _batch(run, host_id, payloads()))
    elif versions.takes_batches(run.session.get_one(Host, host_id)):
        wanted = payloads()
        if not wanted:
            return Done()
        outcome = commands.carry_on(run, host_id, None, lambda: _batch(run, host_id, wanted))
    else:
        return _one_by_one(run, host_id, payloads())
    if isinstance(outcome, Wait):
        return outcome
    return Done({name: value for part in outcome.state.values() for name, value in part.items()})


def _batch(run: Run, host_id: str, wanted: Mapping[str, Any]) -> Batch:
    host = run.session.get_one(Host, host_id)
    parts = []
    for name, payload in wanted.items():
        try:
            body = versions.encoded(host, payload)
        except versions.AgentTooOld as error:
            if run.operation.direction == "unwind":
                continue  # Nothing of it is there: its agent never knew how.
            raise StepFailed(error.code, error.full_message) from error
        parts.append(Part(name, verb_of(payload), body))
    return Batch(tuple(parts))


def _one_by_one(run: Run, host_id: str, wanted: Mapping[str, Any]) -> Done | Wait:
    merged: dict[str, Any] = {}
    for part, payload in wanted.items():
        outcome = commands.ask(run, host_id, payload, part=part)
        if isinstance(outcome, Wait):
            return outcome
        merged.update(outcome.state)
    return Done(merged)
