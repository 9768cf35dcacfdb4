"""Compares each survey that a host sends with the rows, as ``webcloud verify`` would.

It runs in the transaction that takes the survey in, and again, with the host's
word that the survey still holds, while something could not be judged.  What
changed in the rows after the survey was taken is not judged by it; a power
state or a description must differ twice, because the change itself, or the
number of a boot, may still be on its way.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from agents.wire.reports import DomainStates, SurveyReport, SurveyResult
from webcloud.admin import healing
from webcloud.admin.verify import hosts as verify
from webcloud.admin.verify.problem import Problem
from webcloud.conductor.models import OperationRow
from webcloud.drift import recording, surveys
from webcloud.drift.models import Difference, HostSurvey
from webcloud.drift.recording import Seen
from webcloud.hosts.models import Host, HostCommand
from webcloud.instances.models import Instance

DOUBTED = ("power", "definition")


def take_survey(session: Session, host: Host, report: SurveyReport) -> None:
    """A host has sent a survey: keep it and compare it."""
    recording.note_repairs(session, host, report.repairs)
    row = surveys.store(session, host, report)
    if row is not None:
        compare(session, host, row)


def take_states(session: Session, host: Host, states: DomainStates) -> bool:
    """The list of all domains says that the survey still holds: judge what was left out.

    Returns whether something is still left out, so that it must be said again.
    """
    row = surveys.confirmed(session, host, states)
    if row is not None:
        compare(session, host, row)
    return states.full and surveys.is_unjudged(session, host)


def compare(session: Session, host: Host, row: HostSurvey) -> list[Difference]:
    """Make the host's differences those that its stored survey shows."""
    survey = surveys.read(row)
    rows = known(session, host, survey, row.taken_at)
    problems = verify.compare(host, survey, rows, _elsewhere(session, host, survey, rows))
    doubts = {_key(each) for each in problems if each.kind in DOUBTED}
    sure = [each for each in problems if _key(each) not in doubts - set(row.doubts)]
    projects = {each.id: each.project_id for each in rows.instances.values()}
    seen = [
        Seen(
            each.invariant,
            each.kind,
            each.subject,
            each.words,
            each.instance_id,
            projects.get(each.instance_id or ""),
        )
        for each in sure
    ]
    differences = recording.record(session, host, seen, row.taken_at)
    row.doubts = sorted(doubts)
    remains = healing.heal(session, host, differences)
    # An edit may stay for weeks, and only a change on the host ends it.
    edited = {_key(each) for each in sure if each.kind == "definition"}
    row.compare_again = bool(remains or rows.working or doubts - edited)
    return differences


def known(session: Session, host: Host, survey: SurveyResult, taken_at: datetime) -> verify.Known:
    """The rows, with everything counted as at work that changed after the survey was taken."""
    here = {state.instance_id for state in survey.domains} | set(survey.disk_instances)
    begun = _working(session, host, here, taken_at)
    rows = verify.known(session, host)
    ended = _working(session, host, here | set(rows.instances), taken_at)
    return verify.Known(rows.instances, begun | rows.working | ended, rows.ports, rows.domains)


def _working(session: Session, host: Host, instance_ids: set[str], since: datetime) -> set[str]:
    """Instances with an operation now or since: these, and whichever asked that host for work."""
    asked = select(HostCommand.operation_id).where(HostCommand.host_id == host.id)
    return set(
        session.scalars(
            select(OperationRow.subject_id).where(
                OperationRow.subject_type == "instance",
                or_(OperationRow.finished_at.is_(None), OperationRow.finished_at >= since),
                or_(OperationRow.subject_id.in_(instance_ids), OperationRow.id.in_(asked)),
            )
        )
    )


def _elsewhere(
    session: Session, host: Host, survey: SurveyResult, rows: verify.Known
) -> dict[str, str]:
    """By instance whose domain is here but not placed here: the host that has it as well."""
    extra = {state.instance_id for state in survey.domains} - set(rows.instances) - rows.working
    found: dict[str, str] = {}
    placed = select(Instance, Host).join(Host, Host.id == Instance.host_id)
    for instance, other in session.execute(placed.where(Instance.id.in_(extra))):
        there = session.get(HostSurvey, other.id)
        domains = surveys.read(there).domains if there is not None else ()
        if other.id != host.id and any(each.instance_id == instance.id for each in domains):
            found[instance.id] = other.name
    return found


def _key(problem: Problem) -> str:
    return f"{problem.kind}:{problem.subject}"
