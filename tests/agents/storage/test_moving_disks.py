"""A disk on its way from one host to another, over connections that break."""

from __future__ import annotations

import hashlib
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.controller_api import ControllerApi
from agents.dispatch import Task
from agents.errors import AgentError, Superseded
from agents.storage import room, sending, trying
from agents.storage.disks import DISK, InstanceFiles
from agents.storage.images import ImageCache
from agents.storage.receiving import receive_disk
from agents.storage.sending import send_disk
from agents.storage.sparse import BLOCK, RECORD, stream
from agents.wire.commands import Command, EnsureDisk, EnsureImage, ReceiveDisk, SendDisk
from agents.wire.reports import Report
from tests.agents.storage.images import BACKING_FORMAT, DATA_FILE, qcow2
from tests.support.agent_controller import HOST_ID, SECRET, AgentController

SIZE = 64 << 20
IMAGE = bytes(range(256)) * 4096


class Host:
    """The files of one host."""

    def __init__(self, controller: AgentController, folder: Path) -> None:
        folder.mkdir()
        self.api = ControllerApi(controller.url)
        self.api.authorize(HOST_ID, SECRET)
        self.images = ImageCache(folder / "images", folder / "instances", self.api, lambda: None)
        self.instances = InstanceFiles(folder / "instances", self.images)

    def disk(self, instance_id: str) -> Path:
        return self.instances.folder_of(instance_id) / DISK


class Move:
    """One instance with data on its disk at the source, and a target that has its image."""

    def __init__(self, controller: AgentController, folder: Path) -> None:
        self.controller = controller
        self.source = Host(controller, folder / "source")
        self.target = Host(controller, folder / "target")
        self.instance_id, self.transfer_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.image_id = str(uuid.uuid4())
        controller.images[self.image_id] = IMAGE
        digest = hashlib.sha256(IMAGE).hexdigest()
        for host in (self.source, self.target):
            host.images.ensure(
                EnsureImage(self.image_id, digest, len(IMAGE), "raw"), lambda _: None
            )
        self.source.instances.ensure_disk(EnsureDisk(self.instance_id, self.image_id, "raw", SIZE))
        qemu_io(self.source.disk(self.instance_id), "write -P 7 20M 9M")
        self.told: list[Report] = []
        self.task = self.new_task()

    def new_task(self) -> Task:
        command = Command(str(uuid.uuid4()), "send_disk", self.instance_id, 2, {})
        return Task(command, self.told.append)

    def send(self, **values: Any) -> dict[str, Any]:
        order = SendDisk(self.instance_id, self.transfer_id, SIZE * 2)
        order = replace(order, **values)
        return send_disk(self.source.disk(self.instance_id), order, self.source.api, self.task)

    def order(self, sent: dict[str, Any], **values: Any) -> ReceiveDisk:
        order = ReceiveDisk(
            instance_id=self.instance_id,
            transfer_id=self.transfer_id,
            image_id=self.image_id,
            disk_format="raw",
            disk_size=SIZE,
            size=sent["size"],
            sha256=sent["sha256"],
        )
        return replace(order, **values)

    def receive(self, sent: dict[str, Any], **values: Any) -> None:
        host, order = self.target, self.order(sent, **values)
        assert receive_disk(host.instances, host.images, order, host.api, self.task) == {}

    def refused(self, sent: dict[str, Any], **values: Any) -> str:
        with pytest.raises(AgentError) as refusal:
            self.receive(sent, **values)
        assert not self.target.disk(self.instance_id).exists()
        return refusal.value.code

    def hostile(self, disk: bytes) -> dict[str, Any]:
        """As if the source had sent these bytes as its disk, with a sha256 that is right."""
        path = self.source.disk(self.instance_id).with_name("hostile")
        path.write_bytes(disk)
        file = os.open(path, os.O_RDONLY)
        try:
            content = b"".join(stream(file))
        finally:
            os.close(file)
        self.controller.transfers[self.transfer_id] = bytearray(content)
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def arrived_whole(self) -> None:
        here, there = (host.disk(self.instance_id) for host in (self.source, self.target))
        assert here.read_bytes() == there.read_bytes()
        assert "Pattern verification failed" not in qemu_io(there, "read -P 7 20M 9M")


def qemu_io(disk: Path, command: str) -> str:
    done = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", command, disk], check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def move(controller: AgentController, open_dir: Path) -> Iterator[Move]:
    yield Move(controller, open_dir)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "LONGEST_PAUSE", 0.01)


def test_a_disk_arrives_with_all_that_was_written_to_it(move: Move) -> None:
    sent = move.send()
    assert sent["size"] < 11 << 20, "only what is allocated is sent"
    move.receive(sent)
    move.arrived_whole()
    assert move.target.instances.present() == ((move.instance_id,), ())
    shares = [report.progress for report in move.told]
    assert shares and all(share is not None and 0 <= share <= 1 for share in shares)


def test_receiving_twice_is_receiving_once(move: Move) -> None:
    sent = move.send()
    move.receive(sent)
    qemu_io(move.target.disk(move.instance_id), "write -P 9 1M 1M")
    before = move.target.disk(move.instance_id).read_bytes()
    asked = len(move.controller.transfer_requests)
    move.receive(sent)
    assert move.target.disk(move.instance_id).read_bytes() == before
    assert len(move.controller.transfer_requests) == asked


def test_a_disk_that_is_there_already_is_never_replaced(move: Move) -> None:
    sent = move.send()
    move.target.instances.ensure_disk(EnsureDisk(move.instance_id, move.image_id, "raw", SIZE))
    before = move.target.disk(move.instance_id).read_bytes()
    with pytest.raises(AgentError) as refusal:
        move.receive(sent)
    assert refusal.value.code == "transfer_refused"
    assert move.target.disk(move.instance_id).read_bytes() == before


def test_sending_goes_on_after_every_kind_of_cut(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "CHUNK", 1 << 20)
    move.controller.cut_transfer_after = [5, 0, 700_001]
    move.controller.lose_answers = 2
    sent = move.send()
    assert len(move.controller.transfers[move.transfer_id]) == sent["size"]
    starts = [int(span.partition("-")[0]) for span in move.controller.transfer_requests]
    assert starts[:4] == [0, 5, 5, 700_006]
    move.receive(sent)
    move.arrived_whole()


def test_receiving_goes_on_after_cuts_and_after_a_kill(move: Move) -> None:
    sent = move.send()
    move.controller.cut_transfer_after = [3 * BLOCK + 17, 0, 40]
    move.controller.transfer_requests.clear()
    move.receive(sent)
    assert move.controller.transfer_requests[:2] == ["", f"bytes={3 * BLOCK + 17}-"]
    move.arrived_whole()


def test_an_agent_that_was_killed_goes_on_where_the_file_ends(move: Move) -> None:
    sent = move.send()
    part = move.target.instances.ensure_folder(move.instance_id) / f"{DISK}.part"
    whole = move.source.disk(move.instance_id).read_bytes()
    part.write_bytes(whole[: 2 * BLOCK + 100])
    move.controller.transfer_requests.clear()
    move.receive(sent)
    (asked,) = move.controller.transfer_requests
    assert int(asked.removeprefix("bytes=").removesuffix("-")) > BLOCK
    move.arrived_whole()


@pytest.mark.parametrize("rotten", [b"rotten" * BLOCK, b"r" * (SIZE // 2)])
def test_a_rotten_beginning_is_thrown_away(move: Move, rotten: bytes) -> None:
    sent = move.send()
    part = move.target.instances.ensure_folder(move.instance_id) / f"{DISK}.part"
    part.write_bytes(rotten)
    move.receive(sent)
    move.arrived_whole()


def test_what_is_cut_for_good_can_be_asked_for_again(move: Move) -> None:
    sent = move.send()
    # The first attempt gets a little; all the others get nothing.
    move.controller.cut_transfer_after = [2 * BLOCK, *[0] * trying.MOST]
    assert move.refused(sent) == "transfer_cut"
    assert move.target.instances.present()[1] == (f"{move.instance_id}/{DISK}.part",)
    move.controller.cut_transfer_after = []
    move.receive(sent)
    move.arrived_whole()
    move.controller.stop()
    with pytest.raises(AgentError) as failure:
        move.send()
    assert (failure.value.code, failure.value.retryable) == ("transfer_cut", True)


def test_a_transfer_nobody_wants_any_more_leaves_nothing(move: Move) -> None:
    sent = move.send()
    move.task = move.new_task()
    move.task.superseded.set()
    with pytest.raises(Superseded):
        move.receive(sent)
    assert move.target.instances.present()[1] == ()
    with pytest.raises(Superseded):
        move.send(transfer_id=str(uuid.uuid4()))


def test_a_full_controller_is_said(move: Move) -> None:
    move.controller.full = True
    with pytest.raises(AgentError) as failure:
        move.send()
    assert (failure.value.code, failure.value.retryable) == ("controller_full", True)


def test_a_controller_that_gives_nothing_is_not_asked_for_ever(move: Move) -> None:
    sent = move.send()
    move.controller.transfers.clear()
    assert move.refused(sent) == "transfer_cut"


def test_a_full_host_is_said_before_anything_is_fetched(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = move.send()
    monkeypatch.setattr(room, "RESERVE", 1 << 60)
    assert move.refused(sent) == "no_space"
    assert move.target.instances.present()[1] == ()


def test_more_than_the_disk_may_take_is_not_sent(move: Move) -> None:
    with pytest.raises(AgentError) as refusal:
        move.send(max_bytes=1 << 20)
    assert refusal.value.code == "transfer_refused"
    assert move.controller.transfers == {}


def test_a_disk_that_is_not_there_is_an_error(move: Move) -> None:
    move.source.disk(move.instance_id).unlink()
    with pytest.raises(AgentError) as failure:
        move.send()
    assert failure.value.code == "io"


def test_ids_cannot_lead_anywhere(move: Move) -> None:
    sent = move.send()
    for wrong in ({"transfer_id": "../../x"}, {"instance_id": "../../x"}):
        with pytest.raises(AgentError) as refusal:
            move.receive(sent, **wrong)
        assert refusal.value.code == "bad_command"


def test_a_flipped_byte_and_a_lying_size_are_noticed(move: Move) -> None:
    sent = move.send()
    stored = move.controller.transfers[move.transfer_id]
    stored[RECORD.size + 300_000] ^= 1
    assert move.refused(sent) == "transfer_corrupt"
    stored[RECORD.size + 300_000] ^= 1
    assert move.refused({**sent, "size": sent["size"] - 1}) == "transfer_corrupt"
    assert move.refused({**sent, "size": sent["size"] + 1}) == "transfer_cut"
    move.receive(sent)
    move.arrived_whole()


def test_an_image_that_is_not_here_is_asked_for_first(move: Move) -> None:
    sent = move.send()
    assert move.refused(sent, image_id=str(uuid.uuid4())) == "image_missing"
    assert move.refused(sent, disk_format="qcow2") == "image_refused"


Make = Callable[[bytes], bytes]
BACKING: dict[str, Make] = {
    "none": lambda own: qcow2(size=SIZE),
    "a file of the host": lambda own: qcow2(size=SIZE, backing=b"/etc/shadow"),
    "its image by another name": lambda own: qcow2(size=SIZE, backing=b"./" + own),
    "json": lambda own: qcow2(size=SIZE, backing=b'json:{"driver":"raw"}'),
    "no format": lambda own: qcow2(size=SIZE, backing=own),
    "another format": lambda own: qcow2(
        size=SIZE, backing=own, extensions=((BACKING_FORMAT, b"qcow2"),)
    ),
    "the format twice": lambda own: qcow2(
        size=SIZE, backing=own, extensions=((BACKING_FORMAT, b"raw"), (BACKING_FORMAT, b"raw"))
    ),
    "a data file": lambda own: qcow2(
        size=SIZE,
        backing=own,
        incompatible=4,
        extensions=((BACKING_FORMAT, b"raw"), (DATA_FILE, b"/etc/shadow")),
    ),
    "a data file without the bit": lambda own: qcow2(
        size=SIZE,
        backing=own,
        extensions=((BACKING_FORMAT, b"raw"), (DATA_FILE, b"/etc/shadow")),
    ),
    "another size": lambda own: qcow2(
        size=SIZE * 2, backing=own, extensions=((BACKING_FORMAT, b"raw"),)
    ),
    "encryption": lambda own: qcow2(
        size=SIZE, backing=own, crypt=1, extensions=((BACKING_FORMAT, b"raw"),)
    ),
    "no qcow2 at all": lambda own: b"raw" * 100_000,
    "nothing": lambda own: b"",
}


@pytest.mark.parametrize("make", BACKING.values(), ids=BACKING)
def test_s1_a_hostile_source_cannot_make_the_target_open_other_files(
    move: Move, make: Make
) -> None:
    own = f"../../images/{move.image_id}".encode()
    assert move.refused(move.hostile(make(own))) == "transfer_refused"
    assert move.target.instances.present()[1] == ()
    good = qcow2(size=SIZE, backing=own, extensions=((BACKING_FORMAT, b"raw"),))
    move.receive(move.hostile(good))


def test_s17_a_link_in_place_of_the_part_is_refused(move: Move, open_dir: Path) -> None:
    sent = move.send()
    victim = open_dir / "victim"
    victim.write_text("keep")
    part = move.target.instances.ensure_folder(move.instance_id) / f"{DISK}.part"
    part.symlink_to(victim)
    assert move.refused(sent) == "io"
    assert victim.read_text() == "keep"
