"""Agents of a version that is not spoken here are refused with what to update."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from agents.wire import OLDEST_VERSION, WIRE_VERSION
from agents.wire.commands import VERBS_SINCE, EnsureDomainAbsent, EnsureStopped, ReadConsoleLog
from tests.conductor import kinds
from tests.hosts.agents_edge import AgentSide, enrol
from tests.hosts.test_agent_api import INVENTORY
from tests.support.people import Person, log_in
from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.db import Database, new_id
from webcloud.errors import Unavailable
from webcloud.hosts import commands, enrolment
from webcloud.hosts.models import Host

UNSPOKEN = [
    pytest.param((OLDEST_VERSION - 1, "agent_too_old", "Update the agent"), id="older"),
    pytest.param((WIRE_VERSION + 1, "agent_too_new", "Update the controller"), id="newer"),
]


def told(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code and what to do next of a refusal."""
    error: dict[str, Any] = answer.json["error"]  # type: ignore[index]
    return answer.status_code, error["code"], error["next_step"]


def of_version(database: Database, agent: AgentSide, version: int) -> None:
    with database.transaction() as session:
        session.get_one(Host, agent.host_id).wire_version = version


@pytest.mark.parametrize("version", [OLDEST_VERSION, WIRE_VERSION])
def test_the_present_version_and_the_one_before_join(app: Flask, version: int) -> None:
    agent = enrol(app, "n1", version)
    assert agent.put("inventory", replace(INVENTORY, wire_version=version)).status_code == 200
    assert agent.get("commands").json == {"commands": []}


@pytest.mark.parametrize("refused", UNSPOKEN)
def test_another_version_cannot_join_and_its_token_stays_good(
    app: Flask, database: Database, refused: tuple[int, str, str]
) -> None:
    version, code, advice = refused
    with database.transaction() as session:
        token = enrolment.make_join_token(session, "n1")
    body = {"token": token, "name": "n1", "host_uuid": new_id(), "wire_version": version}
    client = app.test_client()
    status, refused_with, next_step = told(client.post("/agents/v1/join", json=body))
    assert (status, refused_with) == (503, code)
    assert next_step.startswith(advice)
    body["wire_version"] = WIRE_VERSION
    assert client.post("/agents/v1/join", json=body).status_code == 201


@pytest.mark.parametrize("refused", UNSPOKEN)
def test_a_host_that_came_back_with_another_version_is_refused_until_it_is_updated(
    client: FlaskClient,
    admin: Person,
    database: Database,
    agent: AgentSide,
    refused: tuple[int, str, str],
) -> None:
    version, code, advice = refused
    agent.put("inventory", INVENTORY)
    body = {"wire_version": version, "a_field_nobody_knows": 1}
    answer = agent.client.put("/agents/v1/inventory", json=body, headers=agent.headers)
    assert told(answer)[:2] == (503, code)
    assert told(agent.get("commands"))[:2] == (503, code)
    with database.reading() as session:
        host = session.get_one(Host, agent.host_id)
        assert (host.wire_version, host.vcpus) == (version, INVENTORY.vcpus)
    log_in(client, admin.name)
    assert advice in client.get(f"/hosts/{agent.host_id}").text
    agent.put("inventory", replace(INVENTORY, wire_version=WIRE_VERSION))
    assert agent.get("commands").status_code == 200
    assert advice not in client.get(f"/hosts/{agent.host_id}").text


@pytest.mark.parametrize("version", [None, "2", -1, 2**31])
def test_an_inventory_without_a_version_is_no_inventory(
    database: Database, agent: AgentSide, version: object
) -> None:
    body = {"wire_version": version}
    answer = agent.client.put("/agents/v1/inventory", json=body, headers=agent.headers)
    assert answer.status_code == 400
    with database.reading() as session:
        assert session.get_one(Host, agent.host_id).wire_version == WIRE_VERSION


def test_a_verb_the_agent_does_not_know_fails_the_step_and_has_nothing_to_undo(
    own_kinds: None, database: Database, agent: AgentSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERBS_SINCE, "ensure_stopped", WIRE_VERSION)
    of_version(database, agent, OLDEST_VERSION)

    def asked(run: Run) -> Done | Wait:
        return commands.ask(run, agent.host_id, EnsureStopped(run.subject_id))

    operation_id = kinds.begin(database, kinds.build(asked, undo=asked))
    kinds.turn(database, operation_id)
    row = kinds.look(database, operation_id)
    assert (row.status, row.error_code) == ("failed", "agent_too_old")
    assert row.error_message == (
        "The agent on host n1 is of an older version and cannot do this. "
        "Update the agent on that host."
    )
    with database.reading() as session:
        with pytest.raises(Unavailable) as refusal:
            commands.tell(session, agent.host_id, EnsureStopped(new_id()))
        assert refusal.value.code == "agent_too_old"


def test_an_agent_that_is_refused_is_given_nothing_new_but_takes_away_once_updated(
    own_kinds: None, database: Database, agent: AgentSide
) -> None:
    of_version(database, agent, WIRE_VERSION + 1)

    def ask(run: Run) -> Done | Wait:
        with pytest.raises(StepFailed) as failure:
            commands.ask(run, agent.host_id, ReadConsoleLog(run.subject_id))
        assert failure.value.code == "agent_too_new"
        return commands.ask(run, agent.host_id, EnsureDomainAbsent(run.subject_id))

    operation_id = kinds.begin(database, kinds.build(ask))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).why == "waiting for the host"
    of_version(database, agent, WIRE_VERSION)
    assert len(agent.get("commands").json["commands"]) == 1
