"""A host whose disk is full: nothing half-made is left, and the agent goes on.

A real small filesystem holds what the agent keeps.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents import reserve as reserve_module
from agents.compute.console_log import HALF, read_tail, trim
from agents.controller_api import ControllerApi
from agents.errors import AgentError
from agents.journal import Journal
from agents.storage import room
from agents.storage.config_drive import write_config_drive
from agents.storage.images import CHUNK, ImageCache
from agents.wire.commands import (
    Command,
    EnsureDiskAbsent,
    EnsureDomainAbsent,
    EnsureImage,
    EnsureStopped,
    Survey,
)
from agents.wire.reports import Report
from tests.support.agent_controller import HOST_ID, SECRET, TOKEN, AgentController
from tests.support.agent_host import AgentHost
from tests.support.small_disk import fill, small_disk

CONTENT = bytes(512) + bytes(range(256)) * 12_000
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8) as folder:
        yield folder


@pytest.fixture
def filling(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fills the disk to the last byte, all of which may be taken."""
    monkeypatch.setattr(room, "RESERVE", 0)
    return disk / "filling"


@pytest.fixture
def cache(controller: AgentController, disk: Path) -> ImageCache:
    api = ControllerApi(controller.url)
    api.authorize(HOST_ID, SECRET)
    return ImageCache(disk / "images", disk / "instances", api, lambda: None)


@pytest.fixture
def image(controller: AgentController) -> EnsureImage:
    image_id = str(uuid.uuid4())
    controller.images[image_id] = CONTENT
    return EnsureImage(image_id, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "raw")


def no_space(work: Callable[[], object]) -> AgentError:
    with pytest.raises(AgentError) as failure:
        work()
    assert (failure.value.code, failure.value.retryable) == ("no_space", True)
    return failure.value


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_an_image_that_would_take_the_last_room_is_not_even_asked_for(
    cache: ImageCache, image: EnsureImage, controller: AgentController, disk: Path
) -> None:
    told = str(no_space(lambda: cache.ensure(image, lambda _: None)))
    assert told == "The host's disk has no room for the image."
    assert controller.image_requests == []
    assert names(disk / "images") == []
    subprocess.run(["mount", "-o", "remount,size=300m", disk], check=True)
    cache.ensure(image, lambda _: None)
    assert cache.cached() == (image.image_id,)


@pytest.mark.parametrize("whole", [False, True])
def test_a_disk_that_fills_while_an_image_arrives_keeps_no_part_of_it(
    whole: bool, cache: ImageCache, image: EnsureImage, disk: Path, filling: Path
) -> None:
    """``whole``: it fills when all has arrived and only what is known of the image is missing."""
    neighbour = disk / "disk-of-another-instance"
    neighbour.write_bytes(CONTENT)

    def somebody_writes(done: float) -> None:
        if not whole or done == 1.0:
            fill(filling)

    no_space(lambda: cache.ensure(image, somebody_writes))
    assert names(disk / "images") == []
    assert neighbour.read_bytes() == CONTENT
    filling.unlink()
    cache.ensure(image, lambda _: None)
    assert names(disk / "images") == [image.image_id, f"{image.image_id}.json"]


def test_a_download_ends_when_others_have_come_near_the_last_room(
    cache: ImageCache,
    image: EnsureImage,
    disk: Path,
    filling: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "RESERVE", 2 * MIB)
    monkeypatch.setattr(room, "BETWEEN_LOOKS", CHUNK)
    no_space(lambda: cache.ensure(image, lambda _: filling.write_bytes(bytes(4 * MIB)) and None))
    assert names(disk / "images") == []
    assert filling.stat().st_size == 4 * MIB, "it was not full yet"


def test_a_config_drive_is_whole_or_the_earlier_one(disk: Path, filling: Path) -> None:
    path = disk / "config.iso"
    write_config_drive(path, {"openstack/latest/user_data": ""})
    earlier = path.read_bytes()
    fill(filling)
    more = base64.b64encode(bytes(MIB)).decode()
    no_space(lambda: write_config_drive(path, {"openstack/latest/user_data": more}))
    assert path.read_bytes() == earlier
    assert names(disk) == ["config.iso", "filling"]


def test_a_serial_log_is_still_cut_at_the_cost_of_its_older_piece(
    disk: Path, filling: Path
) -> None:
    log = disk / "console.log"
    log.write_bytes(b"new" * HALF)
    log.with_name("console.log.0").write_bytes(b"old" * HALF)
    fill(filling)
    trim(log)
    assert log.stat().st_size == 0
    assert read_tail(log, 2 * HALF) == ("new" * HALF)[-HALF:]
    assert names(disk) == ["console.log", "console.log.0", "filling"]


def test_a_serial_log_that_cannot_be_copied_is_left_whole(disk: Path, filling: Path) -> None:
    log = disk / "console.log"
    log.write_bytes(b"new" * HALF)
    fill(filling)
    no_space(lambda: trim(log))
    assert log.read_bytes() == b"new" * HALF
    assert names(disk) == ["console.log", "filling"]


def test_a_journal_is_opened_as_soon_as_there_is_room(disk: Path, filling: Path) -> None:
    path = disk / "journal.sqlite"
    first, second = (Command(name, "survey", "s", 1, {}) for name in ("c1", "c2"))
    journal = Journal(path)
    assert journal.begin(first)
    journal.finish(Report("c1", "done"))
    journal.close()
    fill(filling)
    journal = Journal(path)
    with pytest.raises((sqlite3.Error, OSError)):
        journal.begin(second)
    journal.close()
    filling.unlink()
    assert journal.begin(second)
    known = journal.find("c1")
    assert known is not None
    assert known.report == Report("c1", "done")
    journal.close()


def run_once(disk: Path, controller: AgentController, host: AgentHost, kept: bool) -> None:
    """Let the agent join and be killed; it finds its journal again if that is ``kept``."""
    (disk / "token").write_text(TOKEN)
    host.start()
    assert controller.do(Survey(), "host").status == "done"
    host.kill()
    controller.surveys.clear()
    for file in [] if kept else disk.glob("state/journal.sqlite*"):
        file.unlink()


@pytest.mark.parametrize("kept", [True, False])
def test_an_agent_starts_on_a_full_disk_says_so_and_goes_on_with_room(
    kept: bool, controller: AgentController, test_host: AgentHost
) -> None:
    """With its journal or without one; its log is on that disk, too."""
    instance_id = str(uuid.uuid4())
    with small_disk(test_host.base, 8) as disk:
        run_once(disk, controller, test_host, kept)
        fill(disk / "filling")
        process = test_host.start()
        controller.wait_for(lambda: any(each.disk_free < MIB for each in controller.inventories))
        # It tidies its journal before it first surveys, which may have given a little back.
        controller.wait_for(lambda: controller.surveys)
        fill(disk / "filling")
        refused = controller.do(EnsureStopped(instance_id), instance_id)
        assert (refused.error_code, refused.retryable) == ("no_space", True)
        assert controller.do(Survey(), "host", generation=0).status == "done"
        (disk / "filling").unlink()
        assert controller.do(EnsureStopped(instance_id), instance_id).status == "done"
        assert process.poll() is None
        test_host.stop()
        assert process.returncode == 0


@pytest.mark.parametrize("kept", [True, False])
def test_what_fills_a_disk_can_be_deleted_from_it(
    kept: bool, controller: AgentController, test_host: AgentHost
) -> None:
    """With the journal or without one, as on a disk that was full at the first start."""
    instance_id = str(uuid.uuid4())
    with small_disk(test_host.base, 8) as disk:
        run_once(disk, controller, test_host, kept)
        folder = disk / "state" / "instances" / instance_id
        folder.mkdir(parents=True)
        fill(folder / "disk")
        test_host.start()
        controller.wait_for(lambda: controller.surveys)
        fill(folder / "disk")
        away = (EnsureDomainAbsent(instance_id), EnsureDiskAbsent(instance_id))
        told = [controller.do(each, instance_id) for each in away]
        assert [(each.status, each.error_message) for each in told] == [("done", "")] * 2
        assert not folder.exists()
        reserve = disk / "state" / "journal.reserve"
        controller.wait_for(reserve.exists, 30)
        assert reserve.stat().st_blocks * 512 >= reserve_module.SIZE


def test_a_command_that_also_makes_something_gets_nothing_of_what_is_held_back(
    disk: Path, filling: Path
) -> None:
    path, reserve = disk / "journal.sqlite", disk / "journal.reserve"
    parts = [{"verb": "ensure_disk_absent"}, {"verb": "ensure_running"}]
    for payload in ({"parts": parts}, {"parts": ["no part"]}, {"parts": [{}]}):
        journal = Journal(path)
        fill(filling)
        with pytest.raises((sqlite3.Error, OSError)):
            for number in range(50):
                journal.begin(Command(f"c{number}", "batch", "s" * 2000, 1, payload))
        assert reserve.exists()
        assert journal.begin(Command("away", "batch", "s", 1, {"parts": parts[:1]}))
        assert not reserve.exists()
        journal.close()
        filling.unlink()
        path.unlink()


def test_a_machine_without_room_does_not_join_and_joins_with_room(
    controller: AgentController, test_host: AgentHost
) -> None:
    def join() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agents", "join"],
            env=dict(os.environ, **test_host.environment),
            input=TOKEN,
            capture_output=True,
            text=True,
            check=False,
        )

    with small_disk(test_host.base, 8) as disk:
        fill(disk / "filling")
        refused = join()
        assert refused.returncode == 1
        assert "cannot keep its credential" in refused.stderr
        assert "Make room in" in refused.stderr
        (disk / "filling").unlink()
        assert join().returncode == 0
