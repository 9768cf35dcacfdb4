"""Gives hosts work and waits for their answers, without ever contacting one.

A step calls ``ask``: the first time it writes the command and waits; when the
host has reported, the same call returns the result.  A web request that waits
for a short answer asks by ``questions``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from agents.wire.commands import VERBS, Batch, Command, verb_of
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.conductor.plan import begun_at
from webcloud.db import new_id, now
from webcloud.hosts import versions
from webcloud.hosts.models import Host, HostCommand
from webcloud.live import publish
from webcloud.words import mark, say

# How often a waiting step looks by itself, should the hint of a report be lost.
LOOK_AGAIN = 5.0
MOST_ATTEMPTS = 5
BATCH_VERB = "batch"
LONGEST_PAUSE = 30.0
_READ = "commands_read"


def ask(run: Run, host_id: str, payload: Any, *, part: str = "") -> Done | Wait:
    """Have the host do ``payload`` (a dataclass of agents.wire.commands).

    Returns Done(result) or Wait; raises StepFailed with the host's error code,
    or ``agent_too_old`` when its agent does not know how.  ``part`` tells several
    commands of one step apart.  What failed but may pass is asked for again
    after growing pauses; what undoes or deletes something, for ever.
    """
    return carry_on(run, host_id, standing(run, part), lambda: payload, part)


def standing(run: Run, part: str = "") -> HostCommand | None:
    """The newest command that this step has given, if it has given one."""
    if begun_at(run.operation) is None:
        return None
    read: dict[str, HostCommand | None] = run.session.info.setdefault(_READ, {})
    name = f"{run.operation.id} {run.operation.generation} {_name(run, part)}"
    if name not in read:
        read[name] = _newest(run, part)
    return read[name]


def _newest(run: Run, part: str) -> HostCommand | None:
    return run.session.scalar(
        select(HostCommand)
        .where(
            HostCommand.operation_id == run.operation.id,
            HostCommand.step == _name(run, part),
            HostCommand.generation == _fence(run)[1],
        )
        .order_by(HostCommand.attempt.desc())
        .limit(1)
    )


def carry_on(
    run: Run, host_id: str, row: HostCommand | None, make: Callable[[], Any], part: str = ""
) -> Done | Wait:
    """``ask`` from where the step stands; the payload is made only when it is given."""
    if (row is None or row.status != "done") and run.session.get_one(Host, host_id).given_up:
        return _of_no_host(run, make())
    if row is None or row.status == "void":
        attempt = 0 if row is None else row.attempt + 1
        return _issue(run, host_id, make(), _name(run, part), attempt)
    if row.status == "done":
        return Done(dict(row.result))
    if row.status == "open":
        return Wait(LOOK_AGAIN, _why(run, host_id), row.progress)
    may_pass = row.retryable and row.attempt + 1 < MOST_ATTEMPTS
    if not may_pass and not run.persists:
        raise StepFailed(row.error_code, row.error_message)
    left = _pause_left(row, run.now)
    if left > 0:
        return Wait(left, mark("the host could not do it; it is asked again"))
    return _issue(run, host_id, make(), _name(run, part), row.attempt + 1)


def _fence(run: Run) -> tuple[str, int]:
    """What keeps a command's order on the host: its resource, and how new it is there.

    An operation on what another one left carries that one's ``fence`` in its parameters.
    """
    subject_id, generation = run.params.get("fence") or (
        run.operation.subject_id,
        run.operation.generation,
    )
    return str(subject_id), int(generation)


def _name(run: Run, part: str) -> str:
    return f"{run.step}/{part}" if part else run.step


def ask_all(run: Run, host_id: str, payloads: dict[str, Any]) -> Done | Wait:
    """Several commands at once; Done when all are. Results are merged."""
    merged: dict[str, Any] = {}
    waiting: Wait | None = None
    for part, payload in payloads.items():
        outcome = ask(run, host_id, payload, part=part)
        if isinstance(outcome, Wait):
            waiting = outcome
        else:
            merged.update(outcome.state)
    return waiting or Done(merged)


def _of_no_host(run: Run, payload: Any) -> Done:
    """On a host that was given up all is gone, and nothing can be made."""
    if _takes_away(run, payload):
        return Done()
    raise StepFailed("host_given_up", say("The host was given up."))


def _takes_away(run: Run, payload: Any) -> bool:
    if run.operation.direction == "unwind":
        return True
    verbs = [part.verb for part in payload.parts] if isinstance(payload, Batch) else []
    return all(verb.endswith("_absent") for verb in verbs or [verb_of(payload)])


def were_given(run: Run) -> bool:
    """Whether this step has asked a host for anything yet, in this direction."""
    if begun_at(run.operation) is None:
        return False
    if standing(run) is not None:
        return True
    mine = select(HostCommand.id).where(
        HostCommand.operation_id == run.operation.id,
        HostCommand.generation == run.operation.generation,
        or_(HostCommand.step == run.step, HostCommand.step.startswith(f"{run.step}/")),
    )
    return run.session.scalar(mine.limit(1)) is not None


def were_given_for(run: Run, step: str) -> bool:
    """Whether the operation has asked a host for anything at its step of this name."""
    found = select(HostCommand.id).where(
        HostCommand.operation_id == run.operation.id,
        or_(HostCommand.step == step, HostCommand.step.startswith(f"{step}/")),
    )
    return run.session.scalar(found.limit(1)) is not None


def withdraw(session: Session, operation: OperationRow) -> None:
    """No host is to begin what the operation asked for until now: it turns round or ends.

    One that ended well has had its answers; a step that gives up waiting for one
    calls this itself.
    """
    if operation.status == "done":
        return
    unanswered = (HostCommand.operation_id == operation.id, HostCommand.status == "open")
    hosts = set(session.scalars(select(HostCommand.host_id).where(*unanswered)))
    if not hosts:
        return
    ended = {"status": "void", "finished_at": now(), "payload": {}}
    session.execute(update(HostCommand).where(*unanswered).values(ended))
    for host_id in hosts:
        publish.work_for(session, host_id)


def _pause_left(row: HostCommand, moment: datetime) -> float:
    """Seconds until a command that failed is given again."""
    pause = min(2.0 ** min(row.attempt, 10), LONGEST_PAUSE)
    ended = row.finished_at or moment
    return pause - (moment - ended).total_seconds()


def _issue(run: Run, host_id: str, payload: Any, step: str, attempt: int) -> Done | Wait:
    host = run.session.get_one(Host, host_id)
    # What takes away waits for an agent that is spoken with again; it still has the things.
    problem = None if _takes_away(run, payload) else versions.problem_of(host)
    try:
        body = versions.encoded(host, payload)
    except versions.AgentTooOld as error:
        if run.operation.direction == "unwind":
            return Done()  # Nothing of it is there: its agent never knew how.
        problem = error
    if problem is not None:
        raise StepFailed(problem.code, problem.full_message)
    subject_id, generation = _fence(run)
    run.session.add(
        HostCommand(
            id=new_id(),
            host_id=host_id,
            operation_id=run.operation.id,
            step=step,
            attempt=attempt,
            subject_id=subject_id,
            generation=generation,
            verb=verb_of(payload),
            payload=body,
            # Not run.now: commands of one step are listed in the order of this time.
            created_at=now(),
        )
    )
    publish.work_for(run.session, host_id)
    return Wait(LOOK_AGAIN, _why(run, host_id))


def _why(run: Run, host_id: str) -> str:
    """What a step waits for, as people read it."""
    if run.session.get_one(Host, host_id).silent_since is not None:
        return mark("its host is not heard from; this goes on when it is back")
    return mark("waiting for the host")


def tell(session: Session, host_id: str, payload: Any, command_id: str = "") -> None:
    """Give the host a command outside every operation; it is forgotten in two minutes.

    Raises AgentTooOld when its agent does not know the verb.
    """
    host = session.get_one(Host, host_id)
    command_id = command_id or new_id()
    session.add(
        HostCommand(
            id=command_id,
            host_id=host_id,
            subject_id=command_id,
            verb=verb_of(payload),
            payload=versions.encoded(host, payload),
            created_at=now(),
        )
    )
    publish.work_for(session, host_id)


def read_with_host(session: Session, host_id: str, ids: list[str]) -> None:
    """Have the host and these commands in the session, by one question for them all."""
    session.execute(
        select(Host, HostCommand)
        .outerjoin(HostCommand, HostCommand.id.in_(ids))
        .where(Host.id == host_id)
    ).all()


def open_for(session: Session, host_id: str) -> list[Command]:
    """Every unfinished command of the host, oldest first; reads the host besides."""
    found = session.execute(
        select(HostCommand, Host)
        .select_from(Host)
        .outerjoin(HostCommand, and_(HostCommand.host_id == Host.id, HostCommand.status == "open"))
        .where(Host.id == host_id)
        .order_by(HostCommand.created_at)
    )
    rows = [row for row, _ in found if row is not None]
    return [
        Command(
            id=row.id,
            verb=row.verb,
            subject_id=row.subject_id,
            generation=row.generation,
            payload=row.payload,
            operation_id=row.operation_id,
            step=row.step,
        )
        for row in rows
    ]


def awaited(
    session: Session, host_id: str, kind: type[Any], **values: object
) -> dict[str, Any] | None:
    """The payload with these values of a command of this kind that the host is to carry out."""
    verb = next(verb for verb, each in VERBS.items() if each is kind)
    rows = session.execute(
        select(HostCommand.verb, HostCommand.payload).where(
            HostCommand.host_id == host_id,
            HostCommand.status == "open",
            HostCommand.verb.in_((verb, BATCH_VERB)),
        )
    )
    for row in rows:
        for part in row.payload.get("parts") or [{"verb": row.verb, "payload": row.payload}]:
            payload: dict[str, Any] = part["payload"]
            if part["verb"] == verb and values.items() <= payload.items():
                return payload
    return None
