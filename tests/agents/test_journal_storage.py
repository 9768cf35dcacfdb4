"""The journal on a disk that loses power, is damaged, or is full; and how large it grows."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agents import journal as module
from agents.config import AgentConfig
from agents.dispatch import Dispatcher, Task
from agents.inventory import host_uuid
from agents.journal import Journal, damaged
from agents.storage import files
from agents.wire.codec import encode
from agents.wire.commands import Command, EnsureDiskAbsent
from agents.wire.reports import Report

SECRET = "#!/bin/sh echo a-users-secret"


def command(number: int, generation: int = 1, subject: str = "s") -> Command:
    return Command(f"c{number}", "survey", subject, generation, {"files": {"a": SECRET}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "journal.sqlite"


def after_power_cut(path: Path, where: Path, tail: bytes = b"", cut: int = 0) -> Path:
    """What the disk holds at this moment, opened elsewhere; the log's end may be torn."""
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    for name in (path.name, path.name + "-wal"):
        shutil.copy(path.with_name(name), where / name)
    log = where / (path.name + "-wal")
    content = log.read_bytes()
    log.write_bytes(content[: len(content) - cut] + tail)
    return where / path.name


def test_each_answered_write_is_there_after_a_power_cut(path: Path, tmp_path: Path) -> None:
    journal = Journal(path)
    for number in range(12):
        assert journal.begin(command(number, generation=number + 1))
        found = Journal(after_power_cut(path, tmp_path / "cut"))
        assert found.find(f"c{number}") is not None
        assert not found.begin(command(99, generation=number))
        journal.finish(Report(f"c{number}", "done", result={"n": number}))
        known = Journal(after_power_cut(path, tmp_path / "cut")).find(f"c{number}")
        assert known is not None
        assert known.report == Report(f"c{number}", "done", result={"n": number})


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\xa5" * 5000, b"\x37\x7f\x06\x82" * 2000])
def test_a_torn_write_behind_the_answered_ones_takes_none_of_them(
    path: Path, tmp_path: Path, tail: bytes
) -> None:
    journal = Journal(path)
    for number in range(5):
        journal.begin(command(number, generation=number + 1))
    found = Journal(after_power_cut(path, tmp_path / "cut", tail))
    assert found.highest("s") == 5
    assert all(found.find(f"c{number}") for number in range(5))


def test_a_write_that_was_torn_itself_is_not_there_and_the_earlier_ones_are(
    path: Path, tmp_path: Path
) -> None:
    journal = Journal(path)
    journal.begin(command(1, generation=1))
    journal.begin(command(2, generation=2))
    found = Journal(after_power_cut(path, tmp_path / "cut", cut=10))
    assert found.find("c1") is not None
    assert found.find("c2") is None
    assert found.highest("s") == 1


def test_every_commit_reaches_the_disk_and_so_do_the_files_names(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(module, "sync_folder", synced.append)
    journal = Journal(path)
    settings = {
        name: journal._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2}
    assert synced == [path.parent]


def test_what_a_command_carried_is_not_kept(path: Path) -> None:
    journal = Journal(path)
    journal.begin(command(1))
    journal.finish(Report("c1", "done"))
    kept = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"a-users-secret" not in kept


def test_reports_beyond_the_bound_are_forgotten_oldest_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_BYTES", 3500)
    journal = Journal(path)
    for number in range(6):
        journal.begin(command(number), now=number)
        journal.finish(Report(f"c{number}", "done", result={"text": "x" * 800}), now=number)
    journal.begin(command(7), now=9)
    assert journal.prune(now=10) == 3
    assert [journal.find(f"c{number}") is not None for number in range(6)] == [False] * 3 + [
        True
    ] * 3
    assert journal.find("c7") is not None, "an unfinished one is never forgotten"


def test_it_stays_bounded_without_anybody_asking(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_ENTRIES", 20)
    monkeypatch.setattr(module, "KEEP_SUBJECTS", 30)
    monkeypatch.setattr(module, "PRUNE_ENTRIES", 10)
    journal = Journal(path)
    for number in range(300):
        journal.begin(command(number, subject=f"s{number}"), now=number)
        journal.finish(Report(f"c{number}", "done"), now=number)
    counts = [
        journal._db.execute(question).fetchone()[0]
        for question in ("SELECT count(*) FROM command", "SELECT count(*) FROM subject")
    ]
    assert counts[0] <= 20 + 10
    assert counts[1] <= 30 + 10
    assert journal.highest("s299") == 1


def test_large_reports_are_pruned_before_they_are_many(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_BYTES", 100_000)
    monkeypatch.setattr(module, "PRUNE_BYTES", 50_000)
    journal = Journal(path)
    for number in range(60):
        journal.begin(command(number), now=number)
        journal.finish(Report(f"c{number}", "done", result={"text": "x" * 20_000}), now=number)
    log = path.with_name(path.name + "-wal")
    assert path.stat().st_size + log.stat().st_size < 1_000_000


def test_a_damaged_journal_is_set_aside_and_a_new_one_begun(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(b"this is no database" * 1000)
    journal = Journal(path)
    assert journal.begin(command(1))
    assert damaged(path).read_bytes().startswith(b"this is no database")
    assert "ALARM" in caplog.text


def test_damage_inside_the_file_is_found_at_the_start(path: Path) -> None:
    journal = Journal(path)
    for number in range(500):
        journal.begin(command(number, subject=f"s{number}"))
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    content = bytearray(path.read_bytes())
    content[8192:16384] = b"\xff" * 8192
    path.write_bytes(content)
    assert Journal(path).find("c1") is None
    assert damaged(path).exists()


def test_damage_that_shows_during_work_does_not_end_the_agent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)
    broken = sqlite3.DatabaseError("database disk image is malformed")
    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    class Broken:
        def execute(self, *_: Any) -> Any:
            raise broken

        def close(self) -> None:
            journal_db.close()

    journal_db = journal._db
    monkeypatch.setattr(journal, "_opened", Broken())
    assert journal.begin(command(1))
    assert damaged(path).exists()
    assert journal.find("c1") is not None


@pytest.mark.parametrize("when", ["opening", "checking"])
def test_what_is_no_damage_is_not_set_aside(
    path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorcode = sqlite3.SQLITE_BUSY

    def fail(*_: Any) -> Any:
        raise locked

    if when == "opening":
        monkeypatch.setattr(module, "_SCHEMA", "no sql at all")
    else:
        monkeypatch.setattr(Journal, "_open", fail)
    with pytest.raises(sqlite3.OperationalError):
        Journal(path)
    assert not damaged(path).exists()


def test_on_a_full_disk_nothing_is_begun_and_the_refusal_can_be_retried(path: Path) -> None:
    journal = Journal(path)
    began: list[str] = []
    reports: list[Report] = []

    def handle(_order: Any, task: Task) -> dict[str, Any]:
        began.append(task.command.id)
        return {}

    dispatcher = Dispatcher(journal, {"ensure_disk_absent": handle}, reports.append)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    refused: list[Report] = []
    for number in range(50):
        payload = encode(EnsureDiskAbsent("i"))
        subject = "s" * 2000 + str(number)
        dispatcher.offer(Command(f"c{number}", "ensure_disk_absent", subject, 1, payload))
        refused = [report for report in reports if report.status == "failed"]
        if refused:
            break
    journal._db.execute("PRAGMA max_page_count=1000000")
    assert [(each.error_code, each.retryable) for each in refused] == [("no_space", True)]
    assert refused[0].command_id not in began
    assert journal.find(refused[0].command_id) is None
    dispatcher.offer(Command(refused[0].command_id, "ensure_disk_absent", "s", 1, payload))
    assert journal.find(refused[0].command_id) is not None


def test_the_host_says_that_its_journal_was_damaged(path: Path, tmp_path: Path) -> None:
    from agents.compute.domain_xml import HostFacts
    from agents.inventory import take
    from agents.libvirt_host import LibvirtHost

    config = AgentConfig("http://c", "n1", state_dir=path.parent, run_dir=tmp_path, virt="test")
    host = LibvirtHost("nowhere", lambda _id: None)
    facts = HostFacts("test", "x86_64")
    assert "journal" not in take(config, host, facts, ()).versions
    damaged(path).touch()
    assert "journal.sqlite.damaged" in take(config, host, facts, ()).versions["journal"]


def test_the_credential_and_the_hosts_id_survive_a_power_cut(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    config = AgentConfig("http://c", "n1", state_dir=path.parent, run_dir=tmp_path)
    assert host_uuid(config) == host_uuid(config)
    assert synced == [path.parent]
    files.write_durably(path.parent / "credential", b"{}")
    assert synced == [path.parent] * 2
    assert (path.parent / "credential").stat().st_mode & 0o777 == 0o600
