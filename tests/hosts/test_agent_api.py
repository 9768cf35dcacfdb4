"""What an agent may say and hear: about its own host, and nothing else."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from agents.wire import codec
from agents.wire.commands import ReadConsoleLog, verb_of
from agents.wire.reports import DomainState, DomainStates, Inventory, Report
from tests.hosts.agents_edge import AgentSide, enrol
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, new_id, now
from webcloud.errors import Unavailable
from webcloud.hosts import observers, presence, queries, questions, reconcile
from webcloud.hosts.models import Host, HostCommand


@pytest.fixture
def agent(app: Flask) -> AgentSide:
    return enrol(app, "n1")


def add_command(database: Database, host_id: str, **columns: object) -> str:
    payload = ReadConsoleLog(new_id())
    values: dict[str, object] = {
        "id": new_id(),
        "host_id": host_id,
        "subject_id": payload.instance_id,
        "verb": verb_of(payload),
        "payload": codec.encode(payload),
        "created_at": now(),
    }
    with database.transaction() as session:
        row = HostCommand(**{**values, **columns})
        session.add(row)
        return row.id


def stored(database: Database, command_id: str) -> HostCommand:
    with database.reading() as session:
        return session.get_one(HostCommand, command_id)


INVENTORY = Inventory(
    name="other-name",
    host_uuid="u",
    wire_version=1,
    agent_version="0.1.0",
    hypervisor="qemu",
    architecture="x86_64",
    vcpus=2,
    memory_mb=4096,
    disk_total=10**11,
    disk_free=10**10,
    versions={"libvirt": "9.0.0"},
    cached_images=("i",),
)


def test_without_the_right_credential_nothing_is_answered(app: Flask, agent: AgentSide) -> None:
    client = app.test_client()
    for headers in (
        {},
        {"Authorization": f"Basic {agent.host_id}.{agent.secret}"},
        {"Authorization": f"Bearer {agent.host_id}"},
        {"Authorization": f"Bearer {agent.host_id}.wrong"},
        {"Authorization": f"Bearer {new_id()}.{agent.secret}"},
    ):
        assert client.get("/agents/v1/commands", headers=headers).status_code == 401


def test_a_host_hears_only_its_own_open_commands(
    app: Flask, database: Database, agent: AgentSide
) -> None:
    other = enrol(app, "n2")
    mine = add_command(database, agent.host_id)
    add_command(database, agent.host_id, status="done")
    add_command(database, other.host_id)
    heard = agent.get("commands").json["commands"]
    assert [command["id"] for command in heard] == [mine]


def test_a_report_ends_a_command_once(database: Database, agent: AgentSide) -> None:
    command_id = add_command(database, agent.host_id)
    agent.report(Report(command_id, "running", progress=0.5))
    assert stored(database, command_id).progress == 0.5
    agent.report(Report(command_id, "done", result={"output": "x"}))
    agent.report(Report(command_id, "failed", error_code="io"))
    row = stored(database, command_id)
    assert (row.status, row.result, row.error_code) == ("done", {"output": "x"}, "")


def test_what_a_command_carried_is_forgotten_when_it_ends(
    database: Database, agent: AgentSide
) -> None:
    command_id = add_command(database, agent.host_id)
    agent.report(Report(command_id, "running"))
    assert stored(database, command_id).payload != {}
    agent.report(Report(command_id, "done"))
    assert stored(database, command_id).payload == {}


def test_a_report_on_an_unknown_command_is_dropped(agent: AgentSide) -> None:
    assert agent.report(Report(new_id(), "done")).status_code == 200


def test_a_report_on_another_hosts_command_is_refused_and_audited(
    app: Flask, database: Database, agent: AgentSide
) -> None:
    other = enrol(app, "n2")
    command_id = add_command(database, other.host_id)
    agent.report(Report(command_id, "done"))
    assert stored(database, command_id).status == "open"
    with database.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "host.foreign_report")
        ).all()
        assert [(entry.actor, entry.subject_id) for entry in entries] == [
            ("host:n1", other.host_id)
        ]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"reports": 1},
        {"reports": [{"command_id": "x"}]},
        {"reports": [{"command_id": "x", "status": "done", "surprise": 1}]},
    ],
)
def test_a_malformed_report_is_a_400_and_changes_nothing(agent: AgentSide, body: object) -> None:
    assert agent.post("reports", body).status_code == 400


def test_an_unknown_report_status_is_refused(database: Database, agent: AgentSide) -> None:
    command_id = add_command(database, agent.host_id)
    assert agent.report(Report(command_id, "perhaps")).status_code == 400
    assert stored(database, command_id).status == "open"


def test_inventory_is_taken_but_never_the_hosts_name(database: Database, agent: AgentSide) -> None:
    assert agent.put("inventory", INVENTORY).status_code == 200
    with database.reading() as session:
        host = queries.get(session, agent.host_id)
        assert (host.name, host.memory_mb, host.cached_images) == ("n1", 4096, ["i"])
        assert queries.names(session) == {agent.host_id: "n1"}


def test_domain_states_are_passed_on_only_when_newer(
    monkeypatch: pytest.MonkeyPatch, agent: AgentSide
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(observers, "_states", [])
    observers.on_domain_states(lambda session, host, states: heard.append(states.sequence))
    for run, sequence in (("a", 1), ("a", 3), ("a", 2), ("a", 3), ("b", 1)):
        states = DomainStates(run, sequence, full=False, domains=(DomainState("i", "running"),))
        assert agent.post("domains", codec.encode(states)).status_code == 200
    assert heard == [1, 3, 1]


def test_without_an_opener_there_are_no_image_bytes(
    monkeypatch: pytest.MonkeyPatch, agent: AgentSide
) -> None:
    monkeypatch.setattr(observers, "_image_openers", [])
    assert agent.get(f"images/{new_id()}").status_code == 404


def test_polling_keeps_a_host_alive_and_silence_ends_it(
    database: Database, agent: AgentSide
) -> None:
    with database.transaction() as session:
        queries.get(session, agent.host_id).last_seen_at = now() - timedelta(minutes=1)
    with database.reading() as session:
        assert not presence.is_alive(queries.get(session, agent.host_id))
    agent.get("commands")
    with database.reading() as session:
        assert presence.is_alive(queries.get(session, agent.host_id))


def test_only_a_right_credential_opens_the_channel(app: Flask, agent: AgentSide) -> None:
    with app.app_context():
        right = {"host_id": agent.host_id, "secret": agent.secret}
        assert presence.host_of(right) == agent.host_id
        for wrong in (None, "x", {}, {"host_id": agent.host_id}, {**right, "secret": "no"}):
            assert presence.host_of(wrong) is None


def test_a_query_returns_what_the_host_answers(database: Database, agent: AgentSide) -> None:
    answers: list[dict[str, object]] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            questions.query(database, agent.host_id, ReadConsoleLog(new_id()), timeout=5)
        )
    )
    asking.start()
    for _ in range(100):
        if heard := agent.get("commands").json["commands"]:
            agent.report(Report(heard[0]["id"], "done", result={"output": "hello"}))
            break
    asking.join()
    assert answers == [{"output": "hello"}]
    assert agent.get("commands").json["commands"] == []


def test_a_query_to_a_silent_host_ends_in_a_clear_refusal(
    database: Database, agent: AgentSide
) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        questions.query(database, agent.host_id, ReadConsoleLog(new_id()), timeout=0.05)
    assert agent.get("commands").json["commands"] == []


def test_a_query_that_the_host_cannot_answer_says_why(database: Database, agent: AgentSide) -> None:
    failures: list[str] = []

    def ask() -> None:
        try:
            questions.query(database, agent.host_id, ReadConsoleLog(new_id()), timeout=5)
        except Unavailable as error:
            failures.append(error.message)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(100):
        if heard := agent.get("commands").json["commands"]:
            agent.report(Report(heard[0]["id"], "failed", error_message="no log"))
            break
    asking.join()
    assert failures == ["The host could not answer: no log"]


def test_old_commands_and_forgotten_queries_are_dropped(
    database: Database, agent: AgentSide
) -> None:
    old = now() - timedelta(days=2)
    add_command(database, agent.host_id, status="done", finished_at=old, operation_id=new_id())
    add_command(database, agent.host_id, created_at=old)
    kept = add_command(database, agent.host_id, created_at=old, operation_id=new_id())
    reconcile.expire_commands(database)
    with database.reading() as session:
        assert session.scalars(select(HostCommand.id)).all() == [kept]
        assert session.scalars(select(Host)).one().name == "n1"


def test_asking_for_commands_never_needs_two_sessions_at_once(
    database: Database, agent: AgentSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(passed: Database, _host_id: str) -> None:
        assert passed.engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    monkeypatch.setattr(presence, "note", noted)
    with database.transaction() as session:
        queries.get(session, agent.host_id).last_seen_at = None
    assert agent.get("commands").status_code == 200
