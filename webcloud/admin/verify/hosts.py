"""The invariants between database and hosts: I9 to I15, I18, I19, I20.

A host that is silent is one problem of its own; what it holds is unknown.
Instances with an unfinished operation are left out: they are on their way.
So are those that changed in the rows while the host was being asked, and what
a move under way brings to a host or has not taken from it yet.
``compare`` is pure; the surveys that hosts send unasked go through it, too.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from agents.wire import codec
from agents.wire.commands import Domain, Survey
from agents.wire.reports import SurveyResult
from webcloud.admin.verify import definitions, guests, links
from webcloud.admin.verify.problem import Problem
from webcloud.admin.verify.view import View
from webcloud.db import Database
from webcloud.errors import Unavailable
from webcloud.hosts import queries as host_queries
from webcloud.hosts import questions
from webcloud.hosts.models import Host
from webcloud.instances import leftovers, queries, spec
from webcloud.instances.models import Instance
from webcloud.networks import queries as networks
from webcloud.networks.models import Port
from webcloud.words import say, word

MOST_AT_ONCE = 16


@dataclass(frozen=True)
class Known:
    """What the rows say of one host at one moment.

    ``working`` are instances of which nothing can be said now, also some that
    are not (or no longer) placed there.  ``domains`` is what hosts are told of them.
    """

    instances: dict[str, Instance]
    working: set[str]
    ports: dict[str, list[Port]]
    domains: dict[str, Domain] = field(default_factory=dict)


@dataclass(frozen=True)
class _Surveyed:
    host: Host
    known: Known
    survey: SurveyResult


def check(database: Database, timeout: float) -> list[Problem]:
    """Ask every host at the same time, so that many silent ones cost one timeout, not one each."""
    with database.reading() as session:
        hosts = host_queries.list_hosts(session)
    if not hosts:
        return []
    with ThreadPoolExecutor(min(len(hosts), MOST_AT_ONCE)) as pool:
        answers = list(pool.map(lambda host: _ask(database, host, timeout), hosts))
    problems = [each for each in answers if isinstance(each, Problem)]
    surveyed = [each for each in answers if isinstance(each, _Surveyed)]
    for each in surveyed:
        elsewhere = {
            state.instance_id: other.host.name
            for other in surveyed
            if other is not each
            for state in other.survey.domains
        }
        problems += compare(each.host, each.survey, each.known, elsewhere)
    return problems


def _ask(database: Database, host: Host, timeout: float) -> _Surveyed | Problem:
    with database.reading() as session:
        before = known(session, host)
    try:
        answer = questions.query(database, host.id, Survey(), timeout, even_if_silent=True)
    except Unavailable as error:
        words = say("could not be surveyed: {reason}", reason=word(error.message))
        return Problem("I9", host.name, words, "host_silent")
    with database.reading() as session:
        after = known(session, host)
    return _Surveyed(host, _both(before, after), codec.decode(SurveyResult, answer))


def known(session: Session, host: Host) -> Known:
    """The rows of now, in a constant number of queries."""
    instances = {each.id: each for each in queries.on_host(session, host.id)}
    ids = list(instances)
    ports = networks.ports_of_instances(session, ids)
    held = networks.by_id(session, {port.network_id for found in ports.values() for port in found})
    passing = leftovers.passing(session, host.id)
    return Known(
        instances,
        set(queries.active_operations(session, ids)) | passing,
        ports,
        {each.id: spec.domain(session, each, ports[each.id], held) for each in instances.values()},
    )


def _both(before: Known, after: Known) -> Known:
    return Known(
        {**before.instances, **after.instances},
        before.working | after.working | _changed(before.instances, after.instances),
        before.ports | after.ports,
        before.domains | after.domains,
    )


def _changed(before: dict[str, Instance], after: dict[str, Instance]) -> set[str]:
    return {
        id_
        for id_ in before.keys() | after.keys()
        if id_ not in before
        or id_ not in after
        or before[id_].observed_power != after[id_].observed_power
        or before[id_].boot != after[id_].boot
    }


def compare(
    host: Host, survey: SurveyResult, rows: Known, elsewhere: dict[str, str] | None = None
) -> list[Problem]:
    """Pure: what differs between the rows and one host's survey.

    ``elsewhere`` names, by instance, another host on which its domain is, too.
    """
    settled = [
        each for each in rows.instances.values() if each.id not in rows.working and each.built
    ]
    expected = set(rows.instances) | rows.working
    view = View(host.name, survey, settled, expected, elsewhere or {}, rows.domains)
    networked = host.hypervisor != "test"
    problems = [
        *guests.domains(view),
        *definitions.check(view, cards=networked),
        *guests.files(view),
    ]
    if networked:
        # A port whose instance was deleted a moment ago is in no row any more.
        leaving = bool(rows.working - set(rows.instances))
        problems += links.check(view, rows.ports, leaving=leaving)
    return problems
