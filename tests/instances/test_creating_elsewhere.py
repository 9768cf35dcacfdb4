"""A creation whose host falls silent goes elsewhere, or ends at its deadline with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.conductor import kinds
from tests.instances.played import accept, furnish
from tests.support.fake_hosts import answer_hosts
from tests.support.rooms import add_host, fresh_database
from webcloud.admin.verify import records
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.hosts import giving_up, queries
from webcloud.hosts.models import Host, HostCommand
from webcloud.identity.callers import SYSTEM
from webcloud.instances import placing, service
from webcloud.instances.models import Instance
from webcloud.instances.operations.create import FELL_SILENT


class Creation:
    """One instance being created on n1."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.caller, image_id = furnish(database)
        self.instance_id, self.operation_id = accept(database, self.caller, image_id)
        self.turn()

    def turn(self) -> OperationRow:
        """Run the operation as far as it goes by itself."""
        kinds.turn(self.database, self.operation_id)
        return kinds.look(self.database, self.operation_id)

    def silence(self, name: str = "n1") -> None:
        with self.database.transaction() as session:
            host = queries.named(session, name)
            assert host is not None
            host.silent_since = host.last_seen_at = now() - timedelta(minutes=1)

    def add_host(self, name: str = "n2") -> None:
        with self.database.transaction() as session:
            add_host(session, name)

    def pass_deadline(self) -> None:
        with self.database.transaction() as session:
            session.get_one(OperationRow, self.operation_id).deadline_at = now()

    @property
    def instance(self) -> Instance:
        with self.database.reading() as session:
            return session.get_one(Instance, self.instance_id)

    @property
    def host(self) -> str | None:
        with self.database.reading() as session:
            found = session.get(Host, self.instance.host_id or "")
            return None if found is None else found.name

    def asked(self, name: str) -> list[tuple[str, str]]:
        """What the host was asked: verb and status, in order."""
        with self.database.reading() as session:
            host = queries.named(session, name)
            assert host is not None
            rows = session.scalars(
                select(HostCommand)
                .where(HostCommand.host_id == host.id)
                .order_by(HostCommand.created_at)
            )
            return [(row.verb, row.status) for row in rows]

    def consistent(self) -> None:
        with self.database.reading() as session:
            assert records.check(session) == []


@pytest.fixture
def creation(app: object, tmp_path_factory: pytest.TempPathFactory) -> Creation:
    """It has asked its only host for the image."""
    assert app is not None
    made = Creation(fresh_database(tmp_path_factory.mktemp("rooms")))
    assert made.asked("n1") == [("ensure_image", "open")]
    return made


def test_before_anything_was_begun_another_host_is_chosen(creation: Creation) -> None:
    creation.add_host()
    creation.silence()
    creation.turn()
    creation.turn()
    assert creation.host == "n2"
    assert creation.asked("n1") == [("ensure_image", "void")]
    assert creation.asked("n2") == [("ensure_image", "open")]
    creation.consistent()
    while creation.turn().status != "done":
        answer_hosts(creation.database)
    assert (creation.host, creation.instance.observed_power) == ("n2", "running")
    assert creation.asked("n1") == [("ensure_image", "void")]
    creation.consistent()


def test_when_the_image_is_there_but_nothing_was_built_another_host_is_chosen(
    creation: Creation,
) -> None:
    answer_hosts(creation.database)
    creation.add_host()
    creation.silence()
    creation.turn()
    creation.turn()
    assert creation.host == "n2"
    assert [verb for verb, _ in creation.asked("n1")] == ["ensure_image"]
    creation.consistent()


def test_once_the_guest_may_run_there_nobody_else_gets_it(creation: Creation) -> None:
    answer_hosts(creation.database)
    creation.turn()
    creation.add_host()
    creation.silence()
    row = creation.turn()
    assert (creation.host, row.status) == ("n1", "running")
    assert creation.asked("n2") == []
    creation.pass_deadline()
    while creation.turn().finished_at is None:
        pass
    fault = creation.instance.fault
    assert fault is not None
    assert (fault["code"], fault["message"]) == ("host_silent", FELL_SILENT)
    assert creation.host == "n1", "its room is kept until the host has said what is there"
    assert "open" not in [status for _, status in creation.asked("n1")]
    creation.consistent()


def test_deleting_it_removes_what_was_begun_when_the_host_is_back(creation: Creation) -> None:
    answer_hosts(creation.database)
    creation.turn()
    creation.silence()
    creation.turn()
    with creation.database.transaction() as session:
        instance = session.get_one(Instance, creation.instance_id)
        creation.operation_id = service.delete(session, creation.caller, instance)
        unfinished = OperationRow.finished_at.is_(None)
        create_id = session.scalars(select(OperationRow.id).where(unfinished)).one()
    kinds.turn(creation.database, create_id)
    assert kinds.look(creation.database, create_id).finished_at is not None
    creation.turn()
    assert creation.instance.deleted_at is None, "nobody knows yet what the host has"
    with creation.database.transaction() as session:
        host = queries.named(session, "n1")
        assert host is not None
        host.silent_since, host.last_seen_at = None, now()
    while creation.turn().status != "done":
        answer_hosts(creation.database)
    assert creation.instance.deleted_at is not None
    creation.consistent()


@pytest.mark.parametrize("alone", [True, False])
def test_without_another_host_it_waits_for_the_one_it_has(alone: bool, creation: Creation) -> None:
    if not alone:
        with creation.database.transaction() as session:
            add_host(session, "full", memory_mb=64)
    creation.silence()
    row = creation.turn()
    assert (creation.host, row.status) == ("n1", "running")
    assert "not heard from" in row.why
    assert creation.asked("n1") == [("ensure_image", "open")]


def test_a_host_that_an_operator_named_is_not_exchanged(creation: Creation) -> None:
    with creation.database.transaction() as session:
        row = session.get_one(OperationRow, creation.operation_id)
        row.params = {**row.params, "host_id": creation.instance.host_id}
    creation.add_host()
    creation.silence()
    creation.turn()
    assert creation.host == "n1"


def test_what_was_begun_on_a_host_that_was_given_up_is_undone_at_once(creation: Creation) -> None:
    answer_hosts(creation.database)
    creation.turn()
    creation.silence()
    with creation.database.transaction() as session:
        host = queries.named(session, "n1")
        assert host is not None
        giving_up.give_up(session, SYSTEM, host)
    while creation.turn().finished_at is None:
        pass
    assert creation.host is None
    creation.consistent()


def test_when_every_claim_elsewhere_is_lost_it_stays_where_it_is(
    creation: Creation, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation.add_host()
    creation.silence()
    monkeypatch.setattr(placing, "claim", lambda _session, _instance, decision: decision)
    creation.turn()
    assert creation.host == "n1"
    assert creation.asked("n1") == [("ensure_image", "open")]
    creation.consistent()
