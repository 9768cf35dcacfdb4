"""Several commands to one host: as one, or one by one where its agent knows no better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agents.wire import OLDEST_VERSION, WIRE_VERSION
from agents.wire.commands import VERBS_SINCE, EnsureDomainAbsent, EnsureStopped
from agents.wire.reports import Report
from tests.conductor import kinds
from tests.hosts.agents_edge import AgentSide
from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.db import Database
from webcloud.hosts import batches
from webcloud.hosts.models import Host

pytestmark = pytest.mark.usefixtures("own_kinds")


def both(run: Run) -> Mapping[str, Any]:
    return {"stop": EnsureStopped(run.subject_id), "absent": EnsureDomainAbsent(run.subject_id)}


def asking(agent: AgentSide, given: Any = both, **hooks: Any) -> type[kinds.Operation]:
    """An operation whose one step asks the host for what ``given`` names."""

    def do(run: Run) -> Done | Wait:
        return batches.ask_in_order(run, agent.host_id, lambda: given(run))

    return kinds.build(do, **hooks)


def seen(states: list[dict[str, Any]]) -> Any:
    """A hook that keeps what the operation remembers when it ends."""
    return lambda run: states.append(dict(run.state))


def commands_for(agent: AgentSide) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.get("commands").json["commands"]
    return found


def parts_of(command: dict[str, Any]) -> list[tuple[str, str]]:
    return [(part["name"], part["verb"]) for part in command["payload"]["parts"]]


def test_the_parts_go_as_one_command_and_their_results_are_merged(
    database: Database, agent: AgentSide
) -> None:
    ended: list[dict[str, Any]] = []
    operation_id = kinds.begin(database, asking(agent, finished=seen(ended)))
    kinds.turn(database, operation_id)
    (command,) = commands_for(agent)
    assert command["verb"] == "batch"
    assert parts_of(command) == [("stop", "ensure_stopped"), ("absent", "ensure_domain_absent")]
    agent.report(Report(command["id"], "done", result={"stop": {"a": 1}, "absent": {"b": 2}}))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "done"
    assert ended == [{"a": 1, "b": 2}]


def test_an_agent_that_knows_no_batches_is_given_one_part_after_the_other(
    database: Database, agent: AgentSide
) -> None:
    with database.transaction() as session:
        session.get_one(Host, agent.host_id).wire_version = OLDEST_VERSION
    ended: list[dict[str, Any]] = []
    operation_id = kinds.begin(database, asking(agent, finished=seen(ended)))
    for verb, result in (("ensure_stopped", {"a": 1}), ("ensure_domain_absent", {"b": 2})):
        kinds.turn(database, operation_id)
        (command,) = commands_for(agent)
        assert command["verb"] == verb
        agent.report(Report(command["id"], "done", result=result))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "done"
    assert ended == [{"a": 1, "b": 2}]


def test_nothing_to_do_is_done_without_asking(database: Database, agent: AgentSide) -> None:
    operation_id = kinds.begin(database, asking(agent, lambda _run: {}))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "done"
    assert commands_for(agent) == []


def test_a_part_the_agent_does_not_know_fails_the_step_and_is_left_out_of_its_undo(
    database: Database, agent: AgentSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERBS_SINCE, "ensure_stopped", WIRE_VERSION + 1)

    def fail(_run: Run) -> Done:
        raise StepFailed("no_disk", "There is no disk.")

    def undo(run: Run) -> Done | Wait:
        return batches.ask_in_order(run, agent.host_id, lambda: both(run))

    too_old = kinds.begin(database, asking(agent, undo=None))
    kinds.turn(database, too_old)
    row = kinds.look(database, too_old)
    assert (row.status, row.error_code) == ("failed", "agent_too_old")
    assert commands_for(agent) == []
    undone = kinds.begin(database, kinds.build(fail, undo=undo, kind="thing.undone"))
    kinds.turn(database, undone)
    (command,) = commands_for(agent)
    assert parts_of(command) == [("absent", "ensure_domain_absent")]
    agent.report(Report(command["id"], "done", result={"absent": {}}))
    kinds.turn(database, undone)
    assert kinds.look(database, undone).error_code == "no_disk"
