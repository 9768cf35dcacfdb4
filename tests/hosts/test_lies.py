"""A host that speaks about what is not its own: nothing changes, and it is written down once."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from agents.wire import codec
from agents.wire.commands import EnsureImage, verb_of
from agents.wire.reports import DomainState, DomainStates, Report
from tests.hosts.agents_edge import AgentSide, enrol
from tests.support.console_site import add_instance
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, new_id, now
from webcloud.hosts import reports, told_once
from webcloud.hosts.models import HostCommand
from webcloud.hosts.told_once import ToldOnce
from webcloud.instances.models import Instance


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_foreign", ToldOnce())


@pytest.fixture
def liar(app: Flask) -> AgentSide:
    return enrol(app, "liar")


@pytest.fixture
def victim(app: Flask) -> AgentSide:
    return enrol(app, "victim")


def order(database: Database, host_id: str, status: str = "open") -> str:
    payload = EnsureImage(new_id(), "0" * 64, 1, "raw")
    with database.transaction() as session:
        row = HostCommand(
            id=new_id(),
            host_id=host_id,
            subject_id=new_id(),
            verb=verb_of(payload),
            payload=codec.encode(payload),
            status=status,
            created_at=now(),
        )
        session.add(row)
        return row.id


def audited(database: Database, action: str) -> int:
    with database.reading() as session:
        question = select(func.count()).where(AuditEntry.action == action)
        return session.scalar(question) or 0


def test_reports_on_another_hosts_command_change_nothing_and_are_audited_once(
    database: Database, liar: AgentSide, victim: AgentSide
) -> None:
    command_id = order(database, victim.host_id)
    for status in ("running", "done", "failed", "done"):
        liar.report(Report(command_id, status))
    with database.reading() as session:
        assert session.get_one(HostCommand, command_id).status == "open"
    assert audited(database, "host.foreign_report") == 1


def test_states_of_another_hosts_instance_change_nothing_and_are_audited_once(
    database: Database, liar: AgentSide, victim: AgentSide
) -> None:
    instance_id = new_id()
    with database.transaction() as session:
        add_instance(session, instance_id, new_id())
        session.flush()
        session.get_one(Instance, instance_id).host_id = victim.host_id
    for sequence in range(1, 5):
        lie = DomainStates(
            run_id="r",
            sequence=sequence,
            full=True,
            domains=(DomainState(instance_id, "stopped"), DomainState(new_id(), "running")),
            gone=(instance_id,),
        )
        assert liar.post("domains", codec.encode(lie)).status_code == 200
    with database.reading() as session:
        instance = session.get_one(Instance, instance_id)
        assert (instance.observed_power, instance.host_id) == ("running", victim.host_id)
    assert audited(database, "host.foreign_domain") == 1


@pytest.mark.parametrize("status", ["running", "done", "failed"])
def test_a_report_on_a_command_that_was_withdrawn_is_dropped(
    status: str, database: Database, victim: AgentSide
) -> None:
    command_id = order(database, victim.host_id, "void")
    victim.report(Report(command_id, status, progress=0.5, result={"boot": 7}))
    with database.reading() as session:
        row = session.get_one(HostCommand, command_id)
        assert (row.status, row.progress, row.result) == ("void", None, {})


def test_a_flood_of_different_lies_is_told_up_to_a_bound_and_again_after_an_hour() -> None:
    moment = [0.0]
    told = ToldOnce(lambda: moment[0])
    news = [told.is_news("n1", f"domain {number}") for number in range(told_once.MOST + 50)]
    assert sum(news) == told_once.MOST
    assert told.is_news("n2", "domain 1")
    assert not told.is_news("n1", "domain 1")
    moment[0] = told_once.SECONDS + 1
    assert told.is_news("n1", "domain 1")
