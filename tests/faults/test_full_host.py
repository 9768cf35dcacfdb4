"""A host with a small disk of its own that fills: a clear end, nothing left, and a way out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.storage import room
from tests.images import corpus
from tests.instances import scenarios
from tests.support.operations import Scenario, drive
from tests.support.small_cloud import SmallCloud
from tests.support.small_disk import fill, small_disk
from webcloud.conductor import queries
from webcloud.conductor.models import OperationRow
from webcloud.identity.callers import Caller
from webcloud.images import service as image_service
from webcloud.images import uploads
from webcloud.images.forms import NewImage
from webcloud.instances import faults, service
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Instance

ROOM = 8  # MB more than what is kept for running guests


@pytest.fixture
def disk(cloud: SmallCloud) -> Iterator[Path]:
    """The small disk on which the host keeps everything; an instance is there already."""
    scenarios.built(cloud, "running")
    cloud.host.end()
    state = cloud.host.config.state_dir
    moved = state.with_name("moved")
    state.rename(moved)
    with small_disk(state, (room.RESERVE >> 20) + ROOM):
        shutil.copytree(moved, state, dirs_exist_ok=True)
        cloud.host.start()
        yield state
        cloud.host.end()


def whose(cloud: SmallCloud) -> tuple[Caller, str]:
    """Who has the instance that was there before, and its id."""
    with cloud.database.reading() as session:
        it = session.query(Instance).filter(Instance.name == "db1").one()
        return Caller(it.user_id, "mai", it.project_id, "acme", frozenset({"member"})), it.id


def create(cloud: SmallCloud, name: str) -> tuple[str, OperationRow]:
    """An instance of an image that the host does not have; its id and how that ended."""
    caller, _ = whose(cloud)
    with cloud.database.transaction() as session:
        image = image_service.create(session, caller, NewImage(name=name, disk_format="qcow2"))
    uploads.whole(cloud.database, caller, image.id, [corpus.Qcow2().build()], None)
    with cloud.database.transaction() as session:
        form = NewInstance(name=name, image_id=image.id, flavor_id="1")
        (made,) = service.create(session, caller, form)
        operation = queries.active_operation(session, "instance", made.id)
        assert operation is not None
        instance_id, operation_id = made.id, operation.id
    return instance_id, end(cloud, operation_id)


def end(cloud: SmallCloud, operation_id: str) -> OperationRow:
    nothing = Scenario(
        lambda: operation_id, lambda _: None, lambda _: None, between_rounds=cloud.round
    )
    return drive(cloud.database, nothing)


def test_an_image_that_a_host_has_no_room_for_ends_the_create_and_leaves_nothing(
    cloud: SmallCloud, disk: Path
) -> None:
    _, neighbour = whose(cloud)
    before = (disk / "instances" / neighbour / "disk").read_bytes()
    cached = sorted(item.name for item in (disk / "images").iterdir())
    (disk / "filling").write_bytes(bytes(ROOM << 20))
    instance_id, ended = create(cloud, "db2")
    assert (ended.status, ended.error_code) == ("failed", "no_space")
    assert ended.error_message == "The host's disk has no room for the image."
    assert faults.KNOWN[ended.error_code][0] == "The host's disk is full"
    assert not (disk / "instances" / instance_id).exists()
    assert sorted(item.name for item in (disk / "images").iterdir()) == cached
    assert (disk / "instances" / neighbour / "disk").read_bytes() == before
    cloud.verify()
    (disk / "filling").unlink()
    assert create(cloud, "db3")[1].status == "done"
    cloud.verify()


def test_on_a_disk_that_is_full_to_the_last_byte_deleting_still_works(
    cloud: SmallCloud, disk: Path
) -> None:
    caller, neighbour = whose(cloud)
    fill(disk / "filling")
    _, ended = create(cloud, "db2")
    assert (ended.status, ended.error_code) == ("failed", "no_space")
    with cloud.database.transaction() as session:
        deleting = service.delete(session, caller, session.get_one(Instance, neighbour))
    assert end(cloud, deleting).status == "done"
    assert not (disk / "instances" / neighbour).exists()
    cloud.verify()
