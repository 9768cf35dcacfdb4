"""Opening, closing and removing hosts: each deed is an event and an audit entry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.hosts.agents_edge import enrol
from tests.support.rooms import add_host
from webcloud.audit.models import AuditEntry
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, new_id, now
from webcloud.errors import BadRequest, Conflict
from webcloud.hosts import enrolment, events, presence, reconcile, service
from webcloud.hosts.models import Host, HostCommand, HostEvent, JoinToken
from webcloud.identity.callers import Caller
from webcloud.instances.models import Instance, Placement

OPERATOR = Caller(new_id(), "olga", "", "", frozenset({"admin"}))


@pytest.fixture
def session(app: Flask, database: Database) -> Iterator[Session]:
    assert app is not None
    with database.transaction() as opened:
        yield opened


def told(session: Session, host: Host) -> list[str]:
    session.flush()
    return [str(events.words(event)) for event in reversed(events.of_host(session, host.id))]


def audited(session: Session) -> list[tuple[str, str]]:
    session.flush()
    rows = session.scalars(select(AuditEntry).where(AuditEntry.subject_type == "host"))
    return [(row.actor, row.action) for row in rows]


def test_a_host_is_closed_with_a_reason_and_opened_again(session: Session) -> None:
    host = add_host(session)
    service.disable(session, OPERATOR, host, "new disks")
    service.disable(session, OPERATOR, host, "new disks")
    assert (host.enabled, host.disabled_reason) == (False, "new disks")
    service.disable(session, OPERATOR, host)
    service.enable(session, OPERATOR, host)
    service.enable(session, OPERATOR, host)
    assert (host.enabled, host.disabled_reason) == (True, "")
    assert told(session, host) == [
        "Closed for new instances: new disks",
        "Closed for new instances",
        "Opened for new instances",
    ]
    assert audited(session) == [
        ("olga", "host.disable"),
        ("olga", "host.disable"),
        ("olga", "host.enable"),
    ]


def test_a_host_said_to_be_down_takes_nothing_until_that_is_taken_back(session: Session) -> None:
    host = add_host(session)
    service.force_down(session, OPERATOR, host, True)
    service.force_down(session, OPERATOR, host, True)
    assert not presence.is_alive(host)
    assert presence.is_heard(host)
    service.force_down(session, OPERATOR, host, False)
    assert presence.is_alive(host)
    assert [action for _, action in audited(session)] == ["host.force_down", "host.unforce_down"]


def test_a_host_that_was_given_up_is_not_opened(session: Session) -> None:
    host = add_host(session, given_up_at=now(), enabled=False)
    with pytest.raises(Conflict, match="given up"):
        service.enable(session, OPERATOR, host)


def test_removing_an_empty_host_leaves_no_row_that_names_it(app: Flask, database: Database) -> None:
    agent = enrol(app, "n1")
    with database.transaction() as session:
        host = session.get_one(Host, agent.host_id)
        enrolment.make_join_token(session, "n1")
        instance = put_instance(session, None)
        session.add(
            Placement(instance_id=instance.id, at=now(), host_id=host.id, reasons=[{"host": "n1"}])
        )
        session.add(command(host.id, None))
        session.flush()
        service.remove(session, OPERATOR, host)
    with database.reading() as session:
        for table in (Host, HostCommand, HostEvent, JoinToken):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        kept = session.scalars(select(Placement)).one()
        assert (kept.host_id, kept.reasons) == (None, [{"host": "n1"}])
        assert ("olga", "host.remove") in audited(session)
    assert agent.get("commands").status_code == 401


def test_a_host_with_an_instance_is_not_removed(session: Session) -> None:
    host = add_host(session)
    put_instance(session, host.id)
    with pytest.raises(Conflict, match="1 instances") as refused:
        service.remove(session, OPERATOR, host)
    assert "give-up" in (refused.value.next_step or "")


def test_a_host_that_unfinished_work_needs_is_not_removed(session: Session) -> None:
    host = add_host(session)
    operation = OperationRow(
        id=new_id(),
        kind="instance.delete",
        subject_type="instance",
        subject_id=new_id(),
        step="remove_disk",
        run_at=now(),
        deadline_at=now(),
        created_at=now(),
    )
    session.add_all([operation, command(host.id, operation.id)])
    session.flush()
    with pytest.raises(Conflict, match="1 unfinished operations"):
        service.remove(session, OPERATOR, host)


def test_events_are_forgotten_after_90_days(app: Flask, database: Database) -> None:
    with database.transaction() as session:
        host = add_host(session)
        for kind in ("joined", "silent"):
            events.record(session, host, kind)
        session.flush()
        oldest = session.scalars(select(HostEvent).order_by(HostEvent.id)).first()
        assert oldest is not None
        oldest.at = now() - timedelta(days=91)
    reconcile.expire_commands(database)
    with database.reading() as session:
        assert [event.kind for event in session.scalars(select(HostEvent))] == ["silent"]


@pytest.mark.parametrize("name", ["", "-n2", "n2 n3", "n2;reboot", "n" * 254, "ñ", "n2\n"])
def test_a_name_that_commands_could_not_carry_is_refused(name: str, session: Session) -> None:
    with pytest.raises(BadRequest, match="cannot be a host's name"):
        enrolment.make_join_token(session, name)


def command(host_id: str, operation_id: str | None) -> HostCommand:
    return HostCommand(
        id=new_id(),
        host_id=host_id,
        operation_id=operation_id,
        subject_id=new_id(),
        verb="survey",
        created_at=now(),
    )


def put_instance(session: Session, host_id: str | None) -> Instance:
    instance = Instance(
        id=new_id(),
        name="db1",
        hostname="db1",
        project_id=new_id(),
        user_id=new_id(),
        image_id=new_id(),
        flavor_id="1",
        flavor_name="tiny",
        vcpus=1,
        memory_mb=128,
        disk_gb=1,
        host_id=host_id,
        created_at=now(),
        updated_at=now(),
    )
    session.add(instance)
    session.flush()
    return instance
