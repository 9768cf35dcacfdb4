"""What hosts report is written down; nothing is ever started because of it."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from agents.wire.reports import DomainState, DomainStates
from tests.instances.played import existing
from tests.support.rooms import add_host, fresh_database
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.hosts import presence, silence
from webcloud.hosts.models import Host, HostCommand
from webcloud.instances import reconcile, service, states
from webcloud.instances.models import Instance


@pytest.fixture
def rooms(app: object, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database of its own; the application only registers the operations."""
    assert app is not None
    return fresh_database(tmp_path_factory.mktemp("rooms"))


def tell(
    database: Database,
    *domains: DomainState,
    full: bool = False,
    gone: tuple[str, ...] = (),
    host: str = "n1",
) -> str:
    """The instance's observed power after the host's message."""
    with database.transaction() as session:
        row = session.scalars(select(Host).where(Host.name == host)).one()
        reconcile.take_states(session, row, DomainStates("run", 1, full, domains, gone))
    with database.reading() as session:
        return session.scalars(select(Instance)).one().observed_power


def test_a_guest_that_powered_itself_off_is_shown_as_stopped_and_left_so(
    rooms: Database,
) -> None:
    _, instance_id, _ = existing(rooms, "running")
    assert tell(rooms, DomainState(instance_id, "shutoff")) == "shutoff"
    with rooms.reading() as session:
        unfinished = select(OperationRow).where(OperationRow.finished_at.is_(None))
        assert session.scalars(unfinished).all() == []
        still_open = select(HostCommand).where(HostCommand.status == "open")
        assert session.scalars(still_open).all() == []


def test_a_domain_that_vanished_is_shown_as_absent(rooms: Database) -> None:
    _, instance_id, _ = existing(rooms, "running")
    assert tell(rooms, gone=(instance_id,)) == "absent"


def settle(database: Database) -> None:
    """As if everything was observed a minute ago."""
    with database.transaction() as session:
        for instance in session.scalars(select(Instance)):
            instance.observed_at = now() - timedelta(minutes=1)


def test_only_a_full_report_makes_silence_mean_absence(rooms: Database) -> None:
    existing(rooms, "running")
    settle(rooms)
    assert tell(rooms) == "running"
    assert tell(rooms, full=True) == "absent"


def test_a_list_read_before_the_guest_was_built_does_not_make_it_absent(rooms: Database) -> None:
    existing(rooms, "running")
    assert tell(rooms, full=True) == "running"


def test_after_a_failed_reboot_the_boot_of_the_guest_that_runs_is_the_one_known(
    rooms: Database,
) -> None:
    _, instance_id, _ = existing(rooms, "running")
    with rooms.transaction() as session:
        session.get_one(Instance, instance_id).boot = 4
    message = DomainState(instance_id, "running", boot=3)
    for settled, boot in ((False, 4), (True, 3)):
        if settled:
            settle(rooms)
        tell(rooms, message, full=True)
        with rooms.reading() as session:
            assert session.get_one(Instance, instance_id).boot == boot


def test_the_guests_of_a_silent_host_are_unknown_since_it_was_heard(
    rooms: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, instance_id, _ = existing(rooms, "running")
    heard = now() - timedelta(seconds=20)
    with rooms.transaction() as session:
        session.scalars(select(Host)).one().last_seen_at = heard
    monkeypatch.setattr(silence, "_looked_at", time.monotonic())
    monkeypatch.setattr(presence, "_listening_since", now())
    silence.notice(rooms)
    with rooms.reading() as session:
        known = session.get_one(Instance, instance_id)
        assert known.observed_power == "running", "we have only just begun to listen"
    monkeypatch.setattr(presence, "_listening_since", now() - timedelta(hours=1))
    silence.notice(rooms)
    with rooms.reading() as session:
        instance = session.get_one(Instance, instance_id)
        shown = states.describe(instance, None)
    assert (shown.status, instance.observed_at) == ("UNKNOWN", heard)
    assert shown.allowed["start"] == shown.allowed["console"] == "Its host is not heard from."
    assert shown.allowed["delete"] == ""
    assert tell(rooms, DomainState(instance_id, "running")) == "running"


def test_an_unknown_power_state_is_ignored(rooms: Database) -> None:
    _, instance_id, _ = existing(rooms, "running")
    assert tell(rooms, DomainState(instance_id, "dreaming")) == "running"


def test_a_host_is_not_believed_about_another_hosts_instance(rooms: Database) -> None:
    _, instance_id, _ = existing(rooms, "running")
    with rooms.transaction() as session:
        add_host(session, "liar")
    assert tell(rooms, DomainState(instance_id, "crashed"), host="liar") == "running"
    assert tell(rooms, full=True, host="liar") == "running"


def test_while_an_operation_runs_absence_says_nothing(rooms: Database) -> None:
    caller, instance_id, _ = existing(rooms, "running")
    with rooms.transaction() as session:
        service.reboot(session, caller, session.get_one(Instance, instance_id), hard=True)
    assert tell(rooms, full=True) == "running"
