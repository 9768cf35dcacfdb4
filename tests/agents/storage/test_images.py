"""The image cache: what arrives is what was promised, or nothing is there."""

from __future__ import annotations

import hashlib
import os
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.controller_api import ControllerApi
from agents.errors import AgentError, Superseded
from agents.storage.disks import InstanceFiles
from agents.storage.images import CHUNK, KEEP_PART_SECONDS, ImageCache
from agents.wire.commands import EnsureDisk, EnsureImage
from tests.agents.storage.images import qcow2
from tests.support.agent_controller import HOST_ID, SECRET, AgentController

CONTENT = bytes(512) + bytes(range(256)) * 12_000


class Bench:
    def __init__(self, controller: AgentController, folder: Path) -> None:
        self.controller = controller
        api = ControllerApi(controller.url)
        api.authorize(HOST_ID, SECRET)
        self.changes: list[int] = []
        self.told: list[float] = []
        self.folder = folder / "images"
        self.cache = ImageCache(
            self.folder, folder / "instances", api, lambda: self.changes.append(1)
        )
        self.instances = InstanceFiles(folder / "instances", self.cache)

    def image(self, content: bytes = CONTENT, disk_format: str = "raw") -> EnsureImage:
        image_id = str(uuid.uuid4())
        self.controller.images[image_id] = content
        digest = hashlib.sha256(content).hexdigest()
        return EnsureImage(image_id, digest, len(content), disk_format)

    def ensure(self, image: EnsureImage) -> None:
        self.cache.ensure(image, self.told.append)

    def fails(self, image: EnsureImage) -> str:
        with pytest.raises(AgentError) as failure:
            self.ensure(image)
        assert image.image_id not in self.cache.cached()
        return failure.value.code


@pytest.fixture
def bench(controller: AgentController, open_dir: Path) -> Iterator[Bench]:
    yield Bench(controller, open_dir)


def test_an_image_arrives_once_and_is_told(bench: Bench) -> None:
    image = bench.image()
    bench.ensure(image)
    bench.ensure(image)
    assert (bench.folder / image.image_id).read_bytes() == CONTENT
    assert bench.cache.cached() == (image.image_id,)
    assert bench.controller.image_requests == [None]
    assert bench.told[-1] == 1.0
    assert bench.told == sorted(bench.told)
    assert bench.changes == [1]
    assert bench.cache.strays() == ()
    mode = stat.S_IMODE((bench.folder / image.image_id).stat().st_mode)
    assert mode == 0o640


def test_a_cut_transfer_is_resumed_where_it_stopped(bench: Bench) -> None:
    image = bench.image()
    bench.controller.cut_image_after = CHUNK + 5
    assert bench.fails(image) == "io"
    part = bench.folder / f"{image.image_id}.part"
    assert part.exists()
    assert bench.cache.strays() == ()
    bench.ensure(image)
    assert (bench.folder / image.image_id).read_bytes() == CONTENT
    asked = bench.controller.image_requests
    assert asked[0] is None
    assert asked[1] is not None
    assert int(asked[1].removeprefix("bytes=").removesuffix("-")) > 0


def test_s10_one_flipped_byte_is_noticed(bench: Bench) -> None:
    image = bench.image()
    flipped = bytearray(CONTENT)
    flipped[100_000] ^= 1
    bench.controller.images[image.image_id] = bytes(flipped)
    assert bench.fails(image) == "image_corrupt"
    assert bench.cache.strays() == ()
    bench.controller.images[image.image_id] = CONTENT
    bench.ensure(image)


def test_a_rotten_beginning_on_this_host_is_thrown_away(bench: Bench) -> None:
    image = bench.image()
    bench.folder.mkdir()
    (bench.folder / f"{image.image_id}.part").write_bytes(b"rotten" * 1000)
    bench.ensure(image)
    assert (bench.folder / image.image_id).read_bytes() == CONTENT
    assert bench.controller.image_requests == ["bytes=6000-", None]


def test_more_bytes_than_promised_are_refused(bench: Bench) -> None:
    image = bench.image()
    bench.controller.images[image.image_id] = CONTENT + b"x"
    assert bench.fails(image) == "image_corrupt"


def test_an_image_the_controller_does_not_give_is_missing(bench: Bench) -> None:
    image = bench.image()
    del bench.controller.images[image.image_id]
    assert bench.fails(image) == "image_missing"
    bench.controller.stop()
    assert bench.fails(image) == "io"


def test_s1_a_hostile_image_is_refused_before_anything_uses_it(bench: Bench) -> None:
    assert bench.fails(bench.image(qcow2(backing=b"/etc/shadow"), "qcow2")) == "image_refused"
    assert bench.fails(bench.image(qcow2(), "raw")) == "image_refused"
    assert bench.cache.strays() == ()


def test_s17_a_link_in_place_of_the_image_is_refused(bench: Bench, open_dir: Path) -> None:
    victim = open_dir / "victim"
    victim.write_text("keep")
    image = bench.image()
    bench.folder.mkdir()
    (bench.folder / f"{image.image_id}.part").symlink_to(victim)
    assert bench.fails(image) == "io"
    assert victim.read_text() == "keep"


def test_an_id_cannot_lead_out_of_the_cache(bench: Bench) -> None:
    for wrong in ("../../etc/passwd", "", "a" * 36, str(uuid.uuid4()).upper()):
        image = EnsureImage(wrong, "0" * 64, 1, "raw")
        with pytest.raises(AgentError) as refusal:
            bench.ensure(image)
        assert refusal.value.code == "bad_command"


def test_an_image_is_kept_while_a_disk_depends_on_it(bench: Bench) -> None:
    image, instance_id = bench.image(), str(uuid.uuid4())
    bench.ensure(image)
    bench.instances.ensure_disk(EnsureDisk(instance_id, image.image_id, "raw", 8 << 20))
    assert bench.cache.ensure_absent(image.image_id) == {"kept": True}
    assert bench.cache.cached() == (image.image_id,)
    bench.instances.ensure_absent(instance_id)
    assert bench.cache.ensure_absent(image.image_id) == {}
    assert bench.cache.ensure_absent(image.image_id) == {}
    assert list(bench.folder.iterdir()) == []


def test_an_image_that_is_not_there_cannot_be_used(bench: Bench) -> None:
    with pytest.raises(AgentError) as missing:
        bench.cache.get(str(uuid.uuid4()))
    assert missing.value.code == "image_missing"


def test_a_transfer_nobody_wants_any_more_leaves_nothing(bench: Bench) -> None:
    image = bench.image()

    def superseded(_fraction: float) -> None:
        raise Superseded

    with pytest.raises(Superseded):
        bench.cache.ensure(image, superseded)
    assert bench.cache.strays() == ()
    bench.ensure(image)


def test_what_was_given_up_an_hour_ago_is_removed_and_no_more(bench: Bench) -> None:
    image = bench.image()
    bench.ensure(image)
    fresh, old = (bench.folder / f"{uuid.uuid4()}.part" for _ in range(2))
    for part in (fresh, old):
        part.write_bytes(b"half an image")
    long_ago = time.time() - KEEP_PART_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    assert bench.cache.strays() == (f"images/{old.name}",)
    bench.cache.forget_parts()
    assert bench.cache.strays() == ()
    assert fresh.exists()
    assert not old.exists()
    assert bench.cache.cached() == (image.image_id,)
