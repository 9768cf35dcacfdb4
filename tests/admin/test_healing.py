"""What is taken from an instance on a real agent's host comes back through its own surveys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.libvirt_host import Guest
from agents.surveying import digest_of
from agents.wire.reports import SurveyReport
from tests.instances.scenarios import built, only
from tests.support.operations import Scenario, drive
from tests.support.rooms import fresh_database
from tests.support.session_libvirtd import Hypervisors, hypervisors
from tests.support.small_cloud import SmallCloud
from webcloud.conductor.models import OperationRow
from webcloud.db import now
from webcloud.drift import queries
from webcloud.instances.models import Instance
from webcloud.instances.operations.repair import RepairInstance

__all__ = ["hypervisors"]


@dataclass
class Broken:
    """A running instance whose host has something taken from it."""

    cloud: SmallCloud
    instance_id: str
    sent: int = field(default=0)

    @property
    def guest(self) -> Guest:
        found = self.cloud.host.agent.libvirt.find(self.instance_id)
        assert found is not None
        return found

    def survey(self) -> list[str]:
        """Have the host survey itself; the kinds that differ."""
        self.sent += 1
        agent = self.cloud.host.agent
        told = agent._survey()
        agent.api.survey(SurveyReport("run", self.sent, digest_of(told), 0.0, told))
        with self.cloud.database.reading() as session:
            return sorted(row.kind for row in queries.everything(session))

    def repair(self) -> OperationRow:
        """Carry out the operation that the survey has begun."""

        def begun() -> str:
            with self.cloud.database.reading() as session:
                unfinished = select(OperationRow.id).where(OperationRow.finished_at.is_(None))
                return session.scalars(unfinished).one()

        given = Scenario(begun, _anything, _anything, self.cloud.round)
        row = drive(self.cloud.database, given)
        self.later()
        return row

    def later(self) -> None:
        """As if everything so far had been a minute ago."""
        with self.cloud.database.transaction() as session:
            for row in session.scalars(select(OperationRow)):
                row.finished_at = row.finished_at and row.finished_at - timedelta(minutes=1)

    def shown(self) -> Instance:
        with self.cloud.database.reading() as session:
            return only(session)


def _anything(_session: Session) -> None:
    """Each test looks for itself."""


@pytest.fixture
def broken(tmp_path: Path, hypervisors: Hypervisors) -> Iterator[Broken]:
    url = str(fresh_database(tmp_path).engine.url)
    cloud = SmallCloud(tmp_path / "cloud", url, hypervisors)
    try:
        made = Broken(cloud, built(cloud, "running")[1])
        made.later()
        assert made.survey() == []
        yield made
        made.later()
        assert made.survey() == []
        cloud.verify()
    finally:
        cloud.close()


def test_a_running_guest_without_a_definition_gets_one_and_runs_on(broken: Broken) -> None:
    broken.guest.undefine()
    assert broken.survey() == ["domain_transient"]
    assert broken.repair().status == "done"
    assert broken.guest.persistent()
    assert broken.guest.active()
    assert broken.shown().observed_power == "running"


def test_a_guest_that_is_gone_is_defined_again_and_not_started(broken: Broken) -> None:
    broken.guest.destroy()
    broken.guest.undefine()
    broken.cloud.round()
    assert broken.survey() == ["domain_missing"]
    row = broken.repair()
    assert (row.kind, row.params["what"]) == (RepairInstance.kind, ["domain"])
    assert not broken.guest.active()
    shown = broken.shown()
    assert (shown.observed_power, shown.intended_power) == ("shutoff", "running")
    assert shown.fault is None


def test_an_image_that_left_the_cache_is_copied_again(broken: Broken) -> None:
    (image,) = (broken.cloud.host.config.images_dir).glob("*-*[!n]")
    facts = image.with_name(image.name + ".json")
    image.unlink()
    facts.unlink()
    assert broken.survey() == ["image_missing"]
    assert broken.repair().status == "done"
    assert image.exists()


def test_a_config_drive_that_was_removed_is_written_again(broken: Broken) -> None:
    drive = broken.cloud.host.config.instances_dir / broken.instance_id / "config.iso"
    size = drive.stat().st_size
    drive.unlink()
    assert broken.survey() == ["config_drive_missing"]
    row = broken.repair()
    assert (row.status, row.params["what"]) == ("done", ["config_drive"])
    assert drive.stat().st_size == size
    assert broken.guest.active()


def test_without_its_disk_nothing_is_begun_until_the_file_is_back(broken: Broken) -> None:
    disk = broken.cloud.host.config.instances_dir / broken.instance_id / "disk"
    content = disk.read_bytes()
    broken.guest.destroy()
    broken.guest.undefine()
    disk.unlink()
    broken.cloud.round()
    assert broken.survey() == ["disk_missing", "domain_missing"]
    with broken.cloud.database.reading() as session:
        unfinished = select(OperationRow).where(OperationRow.finished_at.is_(None))
        assert session.scalars(unfinished).all() == []
    disk.write_bytes(content)
    assert broken.survey() == ["domain_missing"]
    assert broken.repair().status == "done"
    assert disk.read_bytes() == content


def test_a_disk_that_goes_while_it_is_repaired_ends_the_repair_and_is_no_fault(
    broken: Broken,
) -> None:
    disk = broken.cloud.host.config.instances_dir / broken.instance_id / "disk"
    content = disk.read_bytes()
    broken.guest.destroy()
    broken.guest.undefine()
    broken.cloud.round()
    assert broken.survey() == ["domain_missing"]
    disk.unlink()
    row = broken.repair()
    assert (row.status, row.error_code) == ("failed", "disk_missing")
    assert broken.shown().fault is None
    assert broken.survey() == ["disk_missing", "domain_missing"]
    disk.write_bytes(content)
    with broken.cloud.database.transaction() as session:
        for each in queries.everything(session):
            each.healed_at = now() - timedelta(hours=1)
    assert broken.survey() == ["domain_missing"]
    assert broken.repair().status == "done"
