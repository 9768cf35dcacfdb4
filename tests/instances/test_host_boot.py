"""After a host's machine was started anew, what ran there is started again, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agents.wire import WIRE_VERSION
from agents.wire.reports import DomainState, DomainStates, Inventory
from tests.instances.played import existing
from tests.support.rooms import fresh_database
from webcloud.audit.models import AuditEntry
from webcloud.conductor.models import OperationRow
from webcloud.config import Config
from webcloud.db import Database, now
from webcloud.hosts import reports
from webcloud.hosts.models import Host, HostEvent
from webcloud.identity.callers import Caller
from webcloud.instances import host_boot, reconcile, service
from webcloud.instances.models import Instance

INVENTORY = Inventory(
    "n1", "u", WIRE_VERSION, "1", "qemu", "x86_64", 4, 8192, 100 << 30, 90 << 30,
    booted_at=int(now().timestamp()), boot_id="first",
)  # fmt: skip


class Rebooted:
    """One built instance on a host whose machine can be started anew."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.caller: Caller
        self.caller, self.instance_id, _ = existing(database, "running")
        self.speak("first", "running")

    def set(self, **columns: Any) -> None:
        with self.database.transaction() as session:
            instance = session.get_one(Instance, self.instance_id)
            for name, value in columns.items():
                setattr(instance, name, value)

    def speak(self, boot_id: str, *powers: str, full: bool = True) -> list[str]:
        """The host's inventory, then its domains; the kinds of what is under way after it."""
        domains = tuple(DomainState(self.instance_id, power) for power in powers)
        with self.database.transaction() as session:
            host = session.scalars(select(Host)).one()
            reports.take_inventory(session, host, replace(INVENTORY, boot_id=boot_id))
        with self.database.transaction() as session:
            host = session.scalars(select(Host)).one()
            reconcile.take_states(session, host, DomainStates("r", 1, full, domains))
        return self.under_way()

    def under_way(self) -> list[str]:
        with self.database.reading() as session:
            rows = session.scalars(
                select(OperationRow.kind).where(OperationRow.finished_at.is_(None))
            )
            return list(rows)


@pytest.fixture
def rebooted(app: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rebooted]:
    assert app is not None
    yield Rebooted(fresh_database(tmp_path_factory.mktemp("rebooted")))
    host_boot.configure(Config())


def test_what_ran_is_started_again_once_with_one_entry(rebooted: Rebooted) -> None:
    with rebooted.database.reading() as session:
        boot = session.get_one(Instance, rebooted.instance_id).boot
    assert rebooted.speak("second", "shutoff") == ["instance.start"]
    assert rebooted.speak("second", "shutoff") == ["instance.start"]
    with rebooted.database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "host.rebooted"))
        assert entry.detail == {"started": [rebooted.instance_id]}
        assert session.get_one(Instance, rebooted.instance_id).boot == boot + 1
        kinds = list(session.scalars(select(HostEvent.kind)))
    assert kinds.count("rebooted") == 1


def test_a_new_agent_on_the_same_start_of_the_machine_starts_nothing(rebooted: Rebooted) -> None:
    assert rebooted.speak("first", "shutoff") == []
    assert rebooted.speak("", "shutoff") == [], "an agent that does not tell"


def test_it_waits_for_the_list_of_all_domains(rebooted: Rebooted) -> None:
    assert rebooted.speak("second", full=False) == []
    assert rebooted.speak("second", "shutoff") == ["instance.start"]


def test_what_ran_before_the_silence_is_started_and_what_was_off_is_not(
    rebooted: Rebooted,
) -> None:
    for before, expected in (("shutoff", []), ("running", ["instance.start"])):
        rebooted.set(observed_power=before)
        with rebooted.database.transaction() as session:
            host = session.scalars(select(Host)).one()
            host.silent_since = now() - timedelta(minutes=9)
            reconcile.take_silence(session, host)
            assert session.get_one(Instance, rebooted.instance_id).power_before == before
        assert rebooted.speak(f"after {before}", "shutoff") == expected


def test_a_guest_stopped_by_the_hosts_own_shutdown_is_started_again(rebooted: Rebooted) -> None:
    with rebooted.database.transaction() as session:
        session.scalars(select(Host)).one().silent_since = now() - timedelta(hours=2)
    rebooted.set(observed_power="shutoff", observed_at=now() - timedelta(hours=3))
    assert rebooted.speak("second", "shutoff") == [], "it was off long before"
    with rebooted.database.transaction() as session:
        session.scalars(select(Host)).one().silent_since = now() - timedelta(hours=2)
    rebooted.set(observed_at=now() - timedelta(hours=2, minutes=1))
    assert rebooted.speak("third", "shutoff") == ["instance.start"]


@pytest.mark.parametrize(
    "columns", [{"intended_power": "shutoff"}, {"built": False}, {"observed_power": "absent"}]
)
def test_what_nobody_wants_to_run_is_left_alone(
    rebooted: Rebooted, columns: dict[str, Any]
) -> None:
    rebooted.set(**columns)
    assert rebooted.speak("second", "shutoff") == []


def test_what_is_worked_on_is_left_to_that_work(rebooted: Rebooted) -> None:
    with rebooted.database.transaction() as session:
        instance = session.get_one(Instance, rebooted.instance_id)
        service.reboot(session, rebooted.caller, instance)
    assert rebooted.speak("second", "shutoff") == ["instance.reboot"]


def test_the_installation_may_choose_that_nothing_is_started(rebooted: Rebooted) -> None:
    host_boot.configure(Config(start_after_host_boot=False))
    assert rebooted.speak("second", "shutoff") == []
    assert rebooted.speak("third", "shutoff") == []
