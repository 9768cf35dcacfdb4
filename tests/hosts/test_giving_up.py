"""A host that will never come back holds up nothing for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.wire import WIRE_VERSION
from agents.wire.commands import EnsureDomainAbsent
from agents.wire.reports import DomainState, SurveyReport, SurveyResult
from tests.conductor import kinds
from tests.hosts.agents_edge import AgentSide
from tests.hosts.test_asking import asking, fail_all
from webcloud.conductor import starting
from webcloud.conductor.operation import Done, Run, Wait
from webcloud.db import Database, now
from webcloud.drift import queries
from webcloud.errors import Conflict
from webcloud.hosts import capacity, commands, enrolment, giving_up
from webcloud.hosts.models import Host
from webcloud.identity.callers import SYSTEM

pytestmark = pytest.mark.usefixtures("own_kinds")

LEFT = "11111111-1111-4111-8111-111111111111"


def give_up(database: Database, host_id: str) -> None:
    with database.transaction() as session:
        host = session.get_one(Host, host_id)
        host.last_seen_at = now() - timedelta(hours=1)
        giving_up.give_up(session, SYSTEM, host)


def test_an_undo_on_a_lost_host_ends(database: Database, agent: AgentSide) -> None:
    operation_id = kinds.begin(database, asking(agent))
    kinds.turn(database, operation_id)
    fail_all(agent, retryable=False)
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "unwinding"
    give_up(database, agent.host_id)
    assert kinds.look(database, operation_id).run_at <= now(), "it is woken"
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "failed"


def test_deleting_on_a_lost_host_ends_well(database: Database, agent: AgentSide) -> None:
    def do(run: Run) -> Done | Wait:
        return commands.ask(run, agent.host_id, EnsureDomainAbsent(run.subject_id))

    operation_id = kinds.begin(database, kinds.build(do, undo=None, forward_only=True))
    kinds.turn(database, operation_id)
    give_up(database, agent.host_id)
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "done"


def test_nothing_new_is_made_on_a_lost_host(database: Database, agent: AgentSide) -> None:
    operation_id = kinds.begin(database, asking(agent))
    give_up(database, agent.host_id)
    kinds.turn(database, operation_id)
    row = kinds.look(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "host_given_up")
    with database.transaction() as session:
        assert not capacity.claim(session, agent.host_id, 1, 1, 1)


def test_its_agent_is_never_heard_again(database: Database, agent: AgentSide) -> None:
    give_up(database, agent.host_id)
    assert agent.get("commands").status_code == 401


def test_a_host_that_joins_again_is_closed_and_shows_what_was_deleted_meanwhile(
    database: Database, agent: AgentSide
) -> None:
    give_up(database, agent.host_id)
    with database.transaction() as session:
        host = session.get_one(Host, agent.host_id)
        assert host.given_up
        token = enrolment.make_join_token(session, "n1")
        _, secret = enrolment.join(session, token, host.host_uuid, WIRE_VERSION)
    again = AgentSide(agent.client, agent.host_id, secret)
    left = SurveyResult(domains=(DomainState(LEFT, "shutoff"),), disk_instances=(LEFT,))
    assert again.put("survey", SurveyReport("r", 1, "d", 0.0, left)).status_code == 200
    with database.reading() as session:
        host = session.get_one(Host, agent.host_id)
        assert (host.given_up, host.enabled, host.disabled_reason) == (
            False,
            False,
            giving_up.REASON,
        )
        assert {row.invariant for row in queries.everything(session)} == {"I9", "I14"}


def test_an_ended_credential_gives_nothing_up(database: Database, agent: AgentSide) -> None:
    def do(run: Run) -> Done | Wait:
        return commands.ask(run, agent.host_id, EnsureDomainAbsent(run.subject_id))

    operation_id = kinds.begin(database, kinds.build(do, undo=None, forward_only=True))
    with database.transaction() as session:
        enrolment.revoke(session, session.get_one(Host, agent.host_id))
    kinds.turn(database, operation_id)
    assert agent.get("commands").status_code == 401
    assert kinds.look(database, operation_id).status == "running"


def test_a_host_that_speaks_is_not_given_up(database: Database, agent: AgentSide) -> None:
    agent.get("commands")
    with database.transaction() as session, pytest.raises(Conflict, match="still heard"):
        giving_up.give_up(session, SYSTEM, session.get_one(Host, agent.host_id))
    assert agent.get("commands").status_code == 200


def test_a_cancelled_operation_on_a_lost_host_gives_way(
    database: Database, agent: AgentSide
) -> None:
    operation_id = kinds.begin(database, asking(agent))
    kinds.turn(database, operation_id)
    with database.transaction() as session:
        starting.cancel(session, operation_id)
    give_up(database, agent.host_id)
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "cancelled"
