"""The journal: repeats are answered, older generations refused, nothing grows for ever."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agents.journal import KEEP_ENTRIES, KEEP_SECONDS, Journal
from agents.wire.commands import Command
from agents.wire.reports import Report


def command(number: int, generation: int = 1, subject: str = "s") -> Command:
    return Command(f"c{number}", "survey", subject, generation, {"networks": []}, "op", "step")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_an_unknown_command_is_not_found(path: Path) -> None:
    assert Journal(path).find("c1") is None


def test_a_begun_command_is_there_after_a_restart_without_a_report(path: Path) -> None:
    assert Journal(path).begin(command(1))
    known = Journal(path).find("c1")
    assert known is not None
    assert known.command == replace(command(1), payload={})
    assert known.report is None


def test_a_finished_command_keeps_its_first_result(path: Path) -> None:
    journal = Journal(path)
    journal.begin(command(1))
    journal.finish(Report("c1", "done", result={"power": "running"}))
    journal.finish(Report("c1", "failed"))
    journal.close()
    known = Journal(path).find("c1")
    assert known is not None
    assert known.report == Report("c1", "done", result={"power": "running"})


def test_an_older_generation_is_refused_and_the_same_or_a_newer_is_not(path: Path) -> None:
    journal = Journal(path)
    assert journal.begin(command(1, generation=5))
    assert not journal.begin(command(2, generation=4))
    assert journal.find("c2") is None
    assert journal.begin(command(3, generation=5))
    assert journal.begin(command(4, generation=6))
    assert journal.begin(command(5, generation=1, subject="other"))
    assert (journal.highest("s"), journal.highest("other"), journal.highest("new")) == (6, 1, 0)


def test_fencing_survives_a_restart(path: Path) -> None:
    Journal(path).begin(command(1, generation=5))
    assert not Journal(path).begin(command(2, generation=4))


def test_unfinished_commands_nobody_wants_are_forgotten(path: Path) -> None:
    journal = Journal(path)
    for number in range(3):
        journal.begin(command(number))
    journal.finish(Report("c2", "done"))
    assert journal.forget_unfinished({"c0"}) == ["c1"]
    assert journal.find("c0") is not None
    assert journal.find("c1") is None
    assert journal.find("c2") is not None


@pytest.mark.parametrize(
    "damage",
    [
        """UPDATE command SET body = '{"id": 5}'""",
        "UPDATE command SET body = 'x'",
        """UPDATE command SET report = '{"status": {}}'""",
        "UPDATE command SET report = '{'",
        "UPDATE command SET body = CAST(x'ff' AS TEXT)",
    ],
)
def test_an_entry_that_cannot_be_read_is_dropped_and_its_command_done_again(
    path: Path, damage: str
) -> None:
    journal = Journal(path)
    journal.begin(command(1, generation=5))
    journal.finish(Report("c1", "done"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(damage)
    assert journal.find("c1") is None
    assert journal.begin(command(1, generation=5))
    assert not journal.begin(command(0, generation=4)), "what is older stays refused"
    known = journal.find("c1")
    assert known is not None
    assert known.report is None


def test_old_entries_are_pruned_and_unfinished_ones_never(path: Path) -> None:
    journal = Journal(path)
    for number in range(3):
        journal.begin(command(number), now=0)
    journal.finish(Report("c0", "done"), now=0)
    journal.finish(Report("c1", "done"), now=KEEP_SECONDS)
    assert journal.prune(now=KEEP_SECONDS + 1) == 1
    assert journal.find("c0") is None
    assert journal.find("c1") is not None
    assert journal.find("c2") is not None


def test_a_late_command_of_a_deleted_resource_is_still_refused_after_pruning(path: Path) -> None:
    journal = Journal(path)
    journal.begin(command(1, generation=9), now=0)
    journal.finish(Report("c1", "done"), now=0)
    journal.prune(now=KEEP_SECONDS + 1)
    assert not journal.begin(command(2, generation=8))
    journal.prune(now=3 * KEEP_SECONDS)
    assert journal.highest("s") == 0


def test_too_many_entries_are_pruned_oldest_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.journal.KEEP_ENTRIES", 3)
    assert KEEP_ENTRIES == 10_000
    journal = Journal(path)
    for number in range(5):
        journal.begin(command(number), now=number)
        journal.finish(Report(f"c{number}", "done"), now=number)
    assert journal.prune(now=10) == 2
    assert [journal.find(f"c{number}") is None for number in range(5)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_only_the_owner_may_read_it(path: Path) -> None:
    Journal(path)
    assert path.stat().st_mode & 0o777 == 0o600
