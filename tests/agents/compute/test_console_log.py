"""The serial log's ring, on plain files (the flooded real one is in test_guests)."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.compute.console_log import HALF, LIMIT, read_tail, trim


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "console.log"


def test_without_a_log_there_is_no_output(log: Path) -> None:
    assert read_tail(log, 100) == ""
    assert read_tail(log.parent / "none" / "console.log", 100) == ""
    trim(log)
    assert list(log.parent.iterdir()) == []


def test_the_tail_reaches_into_older_pieces_in_order(log: Path) -> None:
    log.write_bytes(b"newest")
    log.with_name("console.log.0").write_bytes(b"newer ")
    log.with_name("console.log.1").write_bytes(b"old ")
    assert read_tail(log, 100) == "old newer newest"
    assert read_tail(log, 8) == "r newest"
    assert read_tail(log, 0) == ""
    assert read_tail(log, -5) == ""


def test_a_short_log_is_left_alone_and_old_pieces_go(log: Path) -> None:
    log.write_bytes(b"x" * HALF)
    for number in range(3):
        log.with_name(f"console.log.{number}").write_bytes(b"y" * LIMIT)
    trim(log)
    assert log.stat().st_size == HALF
    assert log.with_name("console.log.0").stat().st_size == HALF
    assert sorted(item.name for item in log.parent.iterdir()) == ["console.log", "console.log.0"]


def test_an_open_writer_goes_on_after_the_cut(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * (HALF + 1))
        trim(log)
        assert log.stat().st_size == 0
        writer.write(b"after")
        assert log.read_bytes() == b"after"
    assert read_tail(log, 7) == "aaafter"[-7:]


def test_a_link_in_place_of_the_log_is_not_followed(log: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"v" * LIMIT)
    log.symlink_to(victim)
    trim(log)
    assert victim.stat().st_size == LIMIT
    with pytest.raises(OSError, match="symbolic"):
        read_tail(log, 10)
