"""Keeps the newest survey of each host, and until when it is known to hold."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from agents.wire import codec
from agents.wire.reports import DomainStates, SurveyReport, SurveyResult
from webcloud.db import now
from webcloud.drift.models import HostSurvey
from webcloud.errors import BadRequest
from webcloud.hosts.models import Host
from webcloud.words import say

MOST = 2**31 - 1
# What a message needs on its way counts as time in which the host may have changed.
ON_ITS_WAY = timedelta(seconds=1)
LONGEST_AGE = 3600.0


def store(session: Session, host: Host, report: SurveyReport) -> HostSurvey | None:
    """The row with this survey; None when a newer one of the same run is known.

    Raises BadRequest for numbers that no survey can have.
    """
    for name, most in (("sequence", MOST), ("age", LONGEST_AGE)):
        if not 0 <= getattr(report, name) <= most:
            raise BadRequest(
                say("{name} must be from 0 to {most}.", name=name, most=int(most)), field=name
            )
    row = session.get(HostSurvey, host.id, with_for_update=True)
    if row is None:
        row = HostSurvey(host_id=host.id, run_id="", sequence=0, doubts=[])
        session.add(row)
    elif row.run_id == report.run_id[:64] and report.sequence < row.sequence:
        return None
    row.run_id, row.sequence = report.run_id[:64], report.sequence
    row.digest = report.digest[:64]
    row.survey = codec.encode(report.survey)
    row.taken_at = _moment(report.age)
    session.flush()
    return row


def confirmed(session: Session, host: Host, states: DomainStates) -> HostSurvey | None:
    """The row, if it waits to be compared again and the host says that it still holds."""
    if not states.survey_digest or not 0 <= states.survey_age <= LONGEST_AGE:
        return None
    row = session.get(HostSurvey, host.id)
    if row is None or not row.compare_again or row.digest != states.survey_digest:
        return None
    row.taken_at = max(row.taken_at, _moment(states.survey_age))
    return row


def is_unjudged(session: Session, host: Host) -> bool:
    """Whether the host's survey waits to be compared again."""
    row = session.get(HostSurvey, host.id)
    return row is not None and row.compare_again


def read(row: HostSurvey) -> SurveyResult:
    return codec.decode(SurveyResult, row.survey)


def _moment(age: float) -> datetime:
    return now() - timedelta(seconds=age) - ON_ITS_WAY
