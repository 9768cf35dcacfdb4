"""What a step hears of the commands it gave to a host, and when it gives them again."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from agents.wire.commands import EnsureDomainAbsent, ReadConsoleLog
from agents.wire.reports import Report
from tests.conductor import kinds
from tests.hosts.agents_edge import AgentSide
from webcloud.conductor import starting
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Run, Wait
from webcloud.db import Database, new_id, now
from webcloud.errors import Unavailable
from webcloud.hosts import commands, questions
from webcloud.hosts.models import HostCommand

pytestmark = pytest.mark.usefixtures("own_kinds")


def asking(agent: AgentSide, *, deadline: int = 600) -> type[kinds.Operation]:
    """An operation that asks the host for one thing, and in its undo for another."""

    def do(run: Run) -> Done | Wait:
        return commands.ask(run, agent.host_id, ReadConsoleLog(run.subject_id))

    def undo(run: Run) -> Done | Wait:
        return commands.ask(run, agent.host_id, EnsureDomainAbsent(run.subject_id))

    return kinds.build(do, undo=undo, deadline_seconds=deadline)


def open_ids(agent: AgentSide) -> list[str]:
    return [command["id"] for command in agent.get("commands").json["commands"]]


def fail_all(agent: AgentSide, *, retryable: bool) -> int:
    ids = open_ids(agent)
    agent.report(
        *(
            Report(each, "failed", error_code="libvirt", error_message="away", retryable=retryable)
            for each in ids
        )
    )
    return len(ids)


def age_failures(database: Database) -> None:
    with database.transaction() as session:
        for row in session.scalars(select(HostCommand).where(HostCommand.status == "failed")):
            row.finished_at = now() - timedelta(minutes=5)


def test_a_passing_failure_is_tried_again_after_a_pause(
    database: Database, agent: AgentSide
) -> None:
    operation_id = kinds.begin(database, asking(agent))
    kinds.turn(database, operation_id)
    assert fail_all(agent, retryable=True) == 1
    kinds.turn(database, operation_id)
    assert open_ids(agent) == [], "asked again at once"
    row = kinds.look(database, operation_id)
    assert 0 < (row.run_at - now()).total_seconds() <= 1
    age_failures(database)
    kinds.turn(database, operation_id)
    agent.report(Report(*open_ids(agent), "done"))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "done"


def test_a_failure_that_never_passes_fails_the_step(database: Database, agent: AgentSide) -> None:
    operation_id = kinds.begin(database, asking(agent))
    kinds.turn(database, operation_id)
    for _ in range(commands.MOST_ATTEMPTS):
        assert fail_all(agent, retryable=True) == 1
        age_failures(database)
        kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "unwinding"
    assert kinds.look(database, operation_id).error_code == "libvirt"


@pytest.mark.parametrize("retryable", [True, False])
def test_an_undo_is_asked_for_until_the_host_has_done_it(
    database: Database, agent: AgentSide, retryable: bool
) -> None:
    operation_id = kinds.begin(database, asking(agent))
    kinds.turn(database, operation_id)
    fail_all(agent, retryable=False)
    kinds.turn(database, operation_id)
    for _ in range(commands.MOST_ATTEMPTS * 2):
        assert fail_all(agent, retryable=retryable) == 1
        age_failures(database)
        kinds.turn(database, operation_id)
    agent.report(Report(*open_ids(agent), "done"))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "failed"


def test_what_a_turned_operation_asked_for_is_withdrawn(
    database: Database, agent: AgentSide
) -> None:
    operation_id = kinds.begin(database, asking(agent))
    kinds.turn(database, operation_id)
    before = open_ids(agent)
    with database.transaction() as session:
        starting.cancel(session, operation_id)
    kinds.turn(database, operation_id)
    undoing = open_ids(agent)
    assert len(undoing) == 1
    assert undoing != before
    agent.report(Report(*before, "done"), Report(*undoing, "done"))
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "cancelled"


def test_a_silent_host_never_gets_the_commands_of_an_operation_that_has_ended(
    database: Database, agent: AgentSide
) -> None:
    def do(run: Run) -> Done | Wait:
        return commands.ask(run, agent.host_id, EnsureDomainAbsent(run.subject_id))

    operation_id = kinds.begin(database, kinds.build(do, undo=None))
    kinds.turn(database, operation_id)
    with database.transaction() as session:
        session.get_one(OperationRow, operation_id).deadline_at = now()
    kinds.turn(database, operation_id)
    assert kinds.look(database, operation_id).status == "failed"
    assert open_ids(agent) == []


def test_commands_of_one_step_reach_the_host_in_their_order(
    database: Database, agent: AgentSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(f"{number:036d}" for number in range(99, 0, -1))
    monkeypatch.setattr(commands, "new_id", lambda: next(ids))
    wanted = {f"part-{number}": ReadConsoleLog(new_id()) for number in range(5)}

    def do(run: Run) -> Done | Wait:
        return commands.ask_all(run, agent.host_id, wanted)

    kinds.turn(database, kinds.begin(database, kinds.build(do)))
    with database.reading() as session:
        moments = session.scalars(select(HostCommand.created_at).order_by(HostCommand.step)).all()
    assert len(set(moments)) == 5
    assert list(moments) == sorted(moments)


def test_a_query_with_progress_is_waited_for_without_spinning(
    database: Database, agent: AgentSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    reading = database.reading

    def counted() -> object:
        looks.append(1)
        return reading()

    def tell_progress() -> None:
        for command_id in list(questions._answers):
            questions.answered(command_id)

    monkeypatch.setattr(database, "reading", counted)
    hint = threading.Timer(0.1, tell_progress)
    hint.start()
    with pytest.raises(Unavailable):
        questions.query(database, agent.host_id, ReadConsoleLog(new_id()), timeout=0.4)
    hint.join()
    assert 1 < len(looks) < 5
