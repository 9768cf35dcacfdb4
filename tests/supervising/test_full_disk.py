"""A full disk under the logs: the supervisor and what it keeps running go on."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.small_disk import fill, small_disk
from webcloud.supervising.child import Child
from webcloud.supervising.logs import Logs
from webcloud.supervising.programs import Program
from webcloud.supervising.supervisor import Supervisor
from webcloud.supervising.takeover import PidFile

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 2) as folder:
        yield folder


def child_on(folder: Path) -> Child:
    program = Program("sleeper", SLEEPER, dict(os.environ), folder / "sleeper.log")
    return Child(program, PidFile(folder / "sleeper.pid"))


def test_a_log_that_cannot_be_moved_aside_stays_whole_with_the_older_ones(disk: Path) -> None:
    log, filling = disk / "part.log", disk / "filling"
    logs = Logs(disk, echoing=False, limit=100_000)
    for letter in (b"a", b"b"):
        log.write_bytes(letter * 150_000)
        assert logs.rotate() == []
    log.write_bytes(b"c" * 150_000)
    fill(filling)
    for _ in range(3):
        (trouble,) = logs.rotate()
        assert "part.log is full and cannot be moved aside: No space left" in trouble
    assert log.read_bytes() == b"c" * 150_000
    assert sorted(path.name for path in disk.iterdir()) == [
        "filling", "part.log", "part.log.1", "part.log.2",
    ]  # fmt: skip
    filling.unlink()
    assert logs.rotate() == []
    assert [(disk / f"part.log.{number}").read_bytes()[:1] for number in (1, 2, 3)] == [
        b"c", b"b", b"a",
    ]  # fmt: skip


def test_a_child_that_cannot_be_started_for_want_of_room_is_started_later(disk: Path) -> None:
    child, filling = child_on(disk), disk / "filling"
    child.start()
    assert child.pid is not None
    os.kill(child.pid, 9)
    fill(filling)
    said: list[str] = []
    _until(lambda: any("No space left" in words for words in _look(child, said)))
    assert not child.running, "one without a pid file would be lost"
    filling.unlink()
    _until(lambda: bool(_look(child, said)) and child.running)
    assert child.restarts == 1
    child.stop()


def test_a_supervisor_whose_words_cannot_be_written_goes_on(disk: Path) -> None:
    heard: list[str] = []

    def say(words: str) -> None:
        heard.append(words)
        raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = Supervisor(say, Logs(disk, echoing=False, limit=10))
    supervisor.add(child_on(disk))
    (disk / "part.log").write_bytes(b"x" * 1000)
    fill(disk / "filling")
    supervisor._rotate()
    supervisor._rotate()
    assert len(heard) == 1, "what lasts is said once"
    pid = supervisor.children[0].pid
    assert pid is not None
    os.kill(pid, 9)
    _until(lambda: supervisor.look() is None and len(heard) > 1)
    supervisor.stop()


def _look(child: Child, said: list[str]) -> list[str]:
    words = child.look()
    if words:
        said.append(words)
    return said


def _until(found: object) -> None:
    deadline = time.monotonic() + 20
    assert callable(found)
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)
