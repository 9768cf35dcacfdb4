"""What was written to a disk is on the other host's, byte for byte (real agents, real files)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instances.scenarios import built, clear_leftovers, operator
from tests.support import schemas
from tests.support.operations import Scenario, drive
from tests.support.session_libvirtd import Hypervisors, hypervisors
from tests.support.small_cloud import SmallCloud
from webcloud.conductor.models import OperationRow
from webcloud.hosts import transfers
from webcloud.instances import moving
from webcloud.instances.models import Instance

__all__ = ["hypervisors"]


@pytest.fixture
def cloud(hypervisors: Hypervisors) -> Iterator[SmallCloud]:
    folder = Path(tempfile.mkdtemp(prefix="webcloud-test-", dir="/var/tmp"))
    made = SmallCloud(folder / "cloud", schemas.chosen.with_tables(folder / "db"), hypervisors)
    yield made
    made.close()
    shutil.rmtree(folder)


def qemu_io(disk: Path, command: str) -> str:
    argv = ["qemu-io", "-f", "qcow2", "-c", command, str(disk)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def disk(cloud: SmallCloud, number: int, instance_id: str) -> Path:
    return cloud.hosts[number].agent.instances.folder_of(instance_id) / "disk"


def move(cloud: SmallCloud, whose: tuple[object, str], between: object = None) -> OperationRow:
    caller, instance_id = whose

    def prepare() -> str:
        with cloud.database.transaction() as session:
            instance = session.get_one(Instance, instance_id)
            return moving.begin(session, operator(caller), instance)  # type: ignore[arg-type]

    nothing = lambda _session: None  # noqa: E731
    given = Scenario(prepare, nothing, nothing, between or cloud.round)  # type: ignore[arg-type]
    return drive(cloud.database, given)


def test_data_comes_along_there_and_back(cloud: SmallCloud) -> None:
    whose = built(cloud, "shutoff")
    cloud.add_host()
    qemu_io(disk(cloud, 0, whose[1]), "write -P 42 100M 7M")
    assert move(cloud, whose).status == "done"
    assert not disk(cloud, 0, whose[1]).exists()
    assert "failed" not in qemu_io(disk(cloud, 1, whose[1]), "read -P 42 100M 7M")
    cloud.verify()
    qemu_io(disk(cloud, 1, whose[1]), "write -P 43 300M 1M")
    assert move(cloud, whose).status == "done"
    for pattern in ("read -P 42 100M 7M", "read -P 43 300M 1M"):
        assert "failed" not in qemu_io(disk(cloud, 0, whose[1]), pattern)
    assert transfers.current().names() == []
    cloud.verify()


def test_a_target_that_dies_with_half_the_disk_takes_nothing_away(cloud: SmallCloud) -> None:
    whose = built(cloud, "shutoff")
    target = cloud.add_host()
    qemu_io(disk(cloud, 0, whose[1]), "write -P 42 100M 7M")
    before = disk(cloud, 0, whose[1]).read_bytes()
    source = cloud.hosts[0]
    killed: list[int] = []

    def cut(method: str, path: str, send: object) -> tuple[int, str, bytes]:
        status, reason, body = send()  # type: ignore[operator]
        if "/transfers/" in path and method == "GET" and not killed:
            killed.append(1)
            body = body[: len(body) // 2]
        return status, reason, body

    target.wire = cut
    assert move(cloud, whose).status == "done"
    assert killed
    assert disk(cloud, 1, whose[1]).read_bytes() == before
    assert source.agent.instances.present() == ((), ())
    clear_leftovers(cloud)
    cloud.verify()
