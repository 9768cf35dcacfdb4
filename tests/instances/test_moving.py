"""Moves: what is planned, what is refused, and what becomes of hosts that fall silent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.instances.played import BUILT, TwoHosts, existing
from tests.support.operations import Scenario, drive
from tests.support.rooms import add_host, fresh_database
from webcloud.admin.verify import records
from webcloud.audit.models import AuditEntry
from webcloud.conductor import queries as operations
from webcloud.conductor import starting
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.errors import Conflict, Forbidden, NoCapacity, NotFound
from webcloud.hosts import capacity, presence
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.images.models import Image
from webcloud.instances import leftovers, moving, queries, reconcile, service, states
from webcloud.instances.models import Instance, Leftover, Placement

LONG_AGO = timedelta(minutes=5)


@dataclass
class Two:
    """An instance on n1, an empty n2, and an operator."""

    database: Database
    operator: Caller
    instance_id: str
    hosts: TwoHosts

    def begin(self, target: str | None = None) -> str:
        with self.database.transaction() as session:
            instance = session.get_one(Instance, self.instance_id)
            return moving.begin(session, self.operator, instance, target)

    def drive(self, **options: object) -> OperationRow:
        given = Scenario(self.begin, lambda _: None, lambda _: None, between_rounds=self.hosts)
        return drive(self.database, given, **options)  # type: ignore[arg-type]

    def silence(self, host_id: str) -> None:
        with self.database.transaction() as session:
            host = session.get_one(Host, host_id)
            host.last_seen_at = host.silent_since = now() - LONG_AGO

    def hear(self, host_id: str) -> None:
        with self.database.transaction() as session:
            host = session.get_one(Host, host_id)
            host.last_seen_at, host.silent_since = now(), None

    def instance(self) -> Instance:
        with self.database.reading() as session:
            return session.get_one(Instance, self.instance_id)

    def left(self) -> list[str]:
        with self.database.reading() as session:
            return [each.host_id for each in session.scalars(select(Leftover))]

    def clear(self) -> None:
        """What the reconciler does when its time comes."""
        reconcile.clear_leftovers(self.database)
        with self.database.reading() as session:
            kind = OperationRow.kind == "leftover.clear"
            unfinished = select(OperationRow.id).where(kind, OperationRow.finished_at.is_(None))
            ids = list(session.scalars(unfinished))
        for operation_id in ids:
            drive(self.database, Scenario(lambda op=operation_id: op, *_nothing, self.hosts))  # type: ignore[misc]

    def consistent(self) -> None:
        with self.database.reading() as session:
            assert records.check(session) == []


_nothing = (lambda _session: None, lambda _session: None)


def make(database: Database, power: str) -> Two:
    caller, instance_id, source = existing(database, power)
    operator = replace(caller, roles=frozenset({"admin"}))
    return Two(database, operator, instance_id, TwoHosts(database, source))


@pytest.fixture(autouse=True)
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts stay alive as long as a test may take on a busy machine."""
    monkeypatch.setattr(presence, "SILENT_AFTER", timedelta(minutes=3))


@pytest.fixture
def rooms(app: object, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database of its own; the application only registers the operations."""
    assert app is not None
    return fresh_database(tmp_path_factory.mktemp("rooms"))


@pytest.fixture
def two(rooms: Database) -> Two:
    return make(rooms, "running")


def test_a_moved_instance_keeps_its_addresses_and_its_quota(two: Two) -> None:
    with two.database.reading() as session:
        before = queries.placements(session, two.instance_id)
    assert two.drive().status == "done"
    instance = two.instance()
    assert (instance.host_id, instance.observed_power) == (two.hosts.target_id, "running")
    assert instance.intended_power == "running"
    two.consistent()
    with two.database.reading() as session:
        placement = queries.placements(session, two.instance_id)
        assert len(placement) == len(before) + 1
        assert placement[0].host_id == two.hosts.target_id
        assert [verdict["host"] for verdict in placement[0].reasons] == ["n2"]
        audited = session.scalars(select(AuditEntry).where(AuditEntry.action == "instance.move"))
        assert [entry.detail["from"] for entry in audited] == [two.hosts.source_id]
        assert session.get_one(Host, two.hosts.source_id).allocated_memory_mb == 0


def test_a_stopped_instance_is_moved_and_stays_stopped(rooms: Database) -> None:
    two = make(rooms, "shutoff")
    assert two.drive().status == "done"
    instance = two.instance()
    assert (instance.host_id, instance.observed_power) == (two.hosts.target_id, "shutoff")
    assert instance.boot == 1
    assert two.hosts.target == BUILT - {"running"}
    two.consistent()


def test_it_can_be_moved_back(two: Two) -> None:
    two.drive()
    two.drive()
    assert two.instance().host_id == two.hosts.source_id
    assert two.hosts.source == BUILT
    assert two.hosts.target <= {"image", "network"}
    assert two.instance().boot == 3
    two.consistent()


def test_what_users_see_while_it_moves(two: Two) -> None:
    two.begin()
    with two.database.reading() as session:
        instance = session.get_one(Instance, two.instance_id)
        operation = operations.active_operation(session, "instance", instance.id)
        seen = states.describe(instance, operation)
        assert (seen.status, seen.vm_state, seen.task_state) == ("MIGRATING", "active", "migrating")
        assert (seen.words, seen.step_words) == ("Moving", "Choosing another host")
        assert seen.allowed["delete"] == "" and seen.allowed["stop"] and seen.allowed["move"]


def test_the_time_limit_grows_with_the_disk(two: Two) -> None:
    operation_id = two.begin()
    with two.database.reading() as session:
        row = session.get_one(OperationRow, operation_id)
        limit = (row.deadline_at - row.created_at).total_seconds()
    assert limit == pytest.approx(900 + two.instance().disk_gb * moving.SECONDS_PER_GB)


def test_only_operators_may_move(two: Two) -> None:
    two.operator = replace(two.operator, roles=frozenset({"member"}))
    with pytest.raises(Forbidden):
        two.begin()


def test_what_cannot_be_moved_now_is_said(two: Two) -> None:
    with pytest.raises(NotFound):
        two.begin("no-such-host")
    with pytest.raises(NoCapacity):
        two.begin(two.hosts.source_id)
    with two.database.transaction() as session:
        session.get_one(Instance, two.instance_id).observed_power = "paused"
    with pytest.raises(Conflict, match="neither running nor stopped"):
        two.begin()
    with two.database.transaction() as session:
        session.get_one(Instance, two.instance_id).observed_power = "running"
    two.begin()
    with pytest.raises(Conflict, match="Another operation"):
        two.begin()


def test_a_silent_or_older_host_can_neither_give_nor_take(two: Two) -> None:
    two.silence(two.hosts.source_id)
    with pytest.raises(Conflict, match="not heard from"):
        two.begin()
    two.hear(two.hosts.source_id)
    two.silence(two.hosts.target_id)
    with pytest.raises(NoCapacity, match="n2 is silent"):
        two.begin()
    two.hear(two.hosts.target_id)
    for host_id, refusal in ((two.hosts.target_id, NoCapacity), (two.hosts.source_id, Conflict)):
        with two.database.transaction() as session:
            session.get_one(Host, host_id).wire_version = 1
        with pytest.raises(refusal, match="older version"):
            two.begin()
        with two.database.transaction() as session:
            session.get_one(Host, host_id).wire_version = 2


def test_an_image_that_was_deleted_keeps_it_where_it_is(two: Two) -> None:
    with two.database.transaction() as session:
        session.scalars(select(Image)).one().status = "deleted"
    with pytest.raises(Conflict, match="image was deleted"):
        two.begin()


def test_a_plan_offers_no_room_twice_and_changes_nothing(two: Two) -> None:
    with two.database.transaction() as session:
        first = session.get_one(Instance, two.instance_id)
        host = session.get_one(Host, two.hosts.source_id)
        other = session.get_one(Host, two.hosts.target_id)
        other.memory_mb = first.memory_mb
        copied = {
            column.name: getattr(first, column.name)
            for column in Instance.__table__.columns
            if column.name not in ("id", "name")
        }
        copied["observed_power"] = "shutoff"
        session.add(Instance(id="a" * 36, name="web1", **copied))
        capacity.claim(session, host.id, first.vcpus, first.memory_mb, first.disk_gb)
    with two.database.reading() as session:
        host = session.get_one(Host, two.hosts.source_id)
        db1, web1 = moving.plan(session, host)
        assert (db1.instance.name, db1.target.name if db1.target else "") == ("db1", "n2")
        assert (db1.what, db1.why) == (moving.RESTARTED, "")
        assert db1.bytes_to_copy == db1.instance.disk_gb * moving.GIB
        assert (web1.target, web1.what) == (None, moving.STAYS_OFF)
        assert "n2 has 0 MB of memory free" in web1.why
        alone = moving.planned(session, web1.instance)
        assert alone.target is not None and alone.target.name == "n2"
        assert session.scalars(select(Placement).where(Placement.host_id == "n2")).all() == []


def test_a_named_target_is_the_one_or_none(two: Two) -> None:
    with two.database.transaction() as session:
        third = add_host(session, "n3", memory_mb=65536).id
    two.hosts.sides[third] = two.hosts.sides[two.hosts.target_id]
    operation_id = two.begin(two.hosts.target_id)
    drive(two.database, Scenario(lambda: operation_id, *_nothing, two.hosts))
    assert two.instance().host_id == two.hosts.target_id


def test_room_that_is_gone_when_it_comes_to_it_leaves_all_as_it_was(two: Two) -> None:
    operation_id = two.begin()
    with two.database.transaction() as session:
        session.get_one(Host, two.hosts.target_id).enabled = False
    row = drive(two.database, Scenario(lambda: operation_id, *_nothing, two.hosts))
    assert (row.status, row.error_code) == ("failed", "no_capacity")
    assert two.hosts.source == BUILT
    two.consistent()


@pytest.mark.parametrize("step", ["copy_image", "receive_disk", "define"])
def test_a_target_that_falls_silent_does_not_keep_the_guest_down(two: Two, step: str) -> None:
    operation_id = two.begin()

    def between() -> None:
        with two.database.transaction() as session:
            row = session.get_one(OperationRow, operation_id)
            if row.step == step and row.direction == "forward":
                host = session.get_one(Host, two.hosts.target_id)
                host.last_seen_at = host.silent_since = now() - LONG_AGO
                starting.wake(session, operation_id)
        lost = row.step == step or row.direction == "unwind"
        two.hosts(heard={two.hosts.source_id} if lost else None)

    row = drive(two.database, Scenario(lambda: operation_id, *_nothing, between))
    assert (row.status, row.error_code) == ("failed", "host_silent")
    assert two.hosts.source == BUILT, "it runs where it was"
    assert two.instance().observed_power == "running"
    assert two.instance().host_id == two.hosts.source_id
    two.consistent()
    two.hear(two.hosts.target_id)
    if step != "copy_image":
        assert two.left() == [two.hosts.target_id]
        with pytest.raises(NoCapacity, match="still holds something of it"):
            two.begin()
    two.clear()
    assert two.hosts.target <= {"image", "network"}
    assert two.left() == []
    two.begin()


def test_a_source_that_is_lost_after_the_switch_is_cleaned_when_it_returns(two: Two) -> None:
    operation_id = two.begin()

    def between() -> None:
        with two.database.reading() as session:
            row = session.get_one(OperationRow, operation_id)
        if row.step == "boot":
            two.silence(two.hosts.source_id)
        two.hosts(heard={two.hosts.target_id} if row.step == "clean_source" else None)

    row = drive(two.database, Scenario(lambda: operation_id, *_nothing, between))
    assert row.status == "done", "it is moved all the same"
    assert two.left() == [two.hosts.source_id]
    assert "disk" in two.hosts.source
    two.clear()
    assert two.left() == [two.hosts.source_id], "nothing is begun while it is silent"
    two.hear(two.hosts.source_id)
    two.clear()
    assert (two.left(), two.hosts.source <= {"image", "network"}) == ([], True)
    assert two.hosts.target == BUILT
    two.consistent()


def test_deleting_a_moved_instance_still_cleans_where_it_was(two: Two) -> None:
    two.drive()
    with two.database.transaction() as session:
        instance = session.get_one(Instance, two.instance_id)
        leftovers.note(session, instance, two.hosts.source_id, 2)
        two.hosts.source.update({"disk", "domain", "port"})
        operation_id = service.delete(session, two.operator, instance)
    drive(two.database, Scenario(lambda: operation_id, *_nothing, two.hosts))
    two.clear()
    assert two.hosts.source <= {"image", "network"}
    two.consistent()


def test_deleting_wins_without_starting_the_guest_again(two: Two) -> None:
    operation_id = two.begin()
    started: list[str] = []

    def between() -> None:
        with two.database.transaction() as session:
            row = session.get_one(OperationRow, operation_id)
            if row.step == "receive_disk" and not row.cancel_requested:
                instance = session.get_one(Instance, two.instance_id)
                service.delete(session, two.operator, instance)
        two.hosts()
        started.extend(two.hosts.source & {"running"} if row.direction == "unwind" else ())

    row = drive(two.database, Scenario(lambda: operation_id, *_nothing, between))
    assert row.status == "cancelled" and started == []
    deleting = row.successor_id or ""
    drive(two.database, Scenario(lambda: deleting, *_nothing, two.hosts))
    assert two.instance().deleted_at is not None
    assert (two.hosts.source | two.hosts.target) <= {"image", "network"}
    two.consistent()


def test_a_leftover_waits_for_the_move_that_made_it(two: Two) -> None:
    two.begin()
    with two.database.transaction() as session:
        instance = session.get_one(Instance, two.instance_id)
        leftovers.note(session, instance, two.hosts.target_id, 2)
        leftovers.note(session, instance, two.hosts.target_id, 2)
    reconcile.clear_leftovers(two.database)
    with two.database.reading() as session:
        kinds = session.scalars(select(OperationRow.kind).where(OperationRow.finished_at.is_(None)))
        assert list(kinds) == ["instance.move"]
        assert leftovers.passing(session, two.hosts.target_id) >= {two.instance_id}


def test_a_host_that_was_given_up_holds_nothing_any_more(two: Two) -> None:
    with two.database.transaction() as session:
        instance = session.get_one(Instance, two.instance_id)
        leftovers.note(session, instance, two.hosts.target_id, 2)
        host = session.get_one(Host, two.hosts.target_id)
        host.given_up_at, host.last_seen_at = now(), now() - LONG_AGO
    two.clear()
    assert two.left() == []


def test_a_guest_that_does_not_start_there_is_moved_with_a_fault(two: Two) -> None:
    operation_id = two.begin()

    def between() -> None:
        with two.database.transaction() as session:
            row = session.get_one(OperationRow, operation_id)
            if row.step == "boot":
                row.deadline_at = now() - timedelta(seconds=1)
                starting.wake(session, operation_id)
                return
        two.hosts()

    given = Scenario(lambda: operation_id, *_nothing, between)
    row = drive(two.database, given, retries=1)
    assert row.error_code == "deadline_exceeded"
    instance = two.instance()
    assert instance.host_id == two.hosts.target_id
    assert instance.fault is not None and instance.fault["code"] == "not_started"
    two.clear()
    assert two.hosts.source <= {"image", "network"}
    two.consistent()
