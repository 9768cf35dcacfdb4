"""Commands that the controller takes back, and reports it cannot take."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.dispatch import Dispatcher
from agents.journal import Journal
from agents.outbox import MOST_BYTES, MOST_REPORTS, Outbox, last_that_fits
from agents.wire.commands import Command
from agents.wire.reports import Report
from tests.agents.test_dispatch import Bench
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def patient(started: threading.Event) -> Callable[[Any, Any], dict[str, Any]]:
    """A handler that works for five seconds and asks all the time whether to go on."""

    def body(_order: Any, task: Any) -> dict[str, Any]:
        started.set()
        for _ in range(500):
            task.check()
            time.sleep(0.01)
        return {}

    return body


def test_a_command_that_was_taken_back_gives_up(bench: Bench) -> None:
    started = threading.Event()
    bench.body = patient(started)
    bench.offer("c1")
    bench.offer("c2")
    assert started.wait(5)
    bench.dispatcher.abandon({"c1", "c2"})
    assert bench.final("c1", 2).error_code == "stale_generation"
    deadline = time.monotonic() + 2
    while bench.dispatcher.busy() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bench.dispatcher.busy() == set()
    assert [item.command_id for item in bench.reports] == ["c1"], "c2 never began"


def test_a_subject_whose_only_command_was_taken_back_before_it_ran_is_settled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[tuple[str, object]] = []
    later: list[Callable[[], None]] = []
    dispatcher = Dispatcher(
        Journal(tmp_path / "journal"), {}, lambda _: None, lambda *told: settled.append(told)
    )
    monkeypatch.setattr(
        dispatcher._pool, "submit", lambda work, subject: later.append(lambda: work(subject))
    )
    dispatcher.offer(Command("c1", "ensure_disk_absent", "s", 1, {}))
    assert dispatcher.works_on("s")
    dispatcher.abandon({"c1"})
    for work in later:
        work()
    assert settled == [("s", None)]
    assert not dispatcher.works_on("s")


def test_what_is_not_taken_back_goes_on(bench: Bench) -> None:
    started, go = threading.Event(), threading.Event()
    bench.body = lambda _order, task: (started.set(), go.wait(5), task.check(), {})[3]
    bench.offer("c1")
    assert started.wait(5)
    bench.dispatcher.abandon({"other"})
    go.set()
    assert bench.final("c1").status == "done"


def test_a_command_gone_from_the_list_is_given_up_on_the_host(
    controller: AgentController, test_host: AgentHost
) -> None:
    agent = test_host.start_inside()
    controller.wait_for(lambda: controller.hint_clients)
    started = threading.Event()
    agent.dispatcher._handlers["ensure_disk_absent"] = patient(started)
    command = Command("c1", "ensure_disk_absent", "s", 1, {"instance_id": "i"})
    controller.queue(command)
    assert started.wait(5)
    del controller.commands["c1"]
    controller.hint()
    report = controller.wait_for(
        lambda: next((item for item in controller.reports if item.command_id == "c1"), None), 3
    )
    assert report.error_code == "stale_generation"


def test_a_journal_that_cannot_be_read_fails_the_command_and_not_the_subject(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_subject: str) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(bench.journal, "highest", broken)
        bench.offer("c1")
        report = bench.final("c1")
        assert (report.error_code, report.retryable) == ("io", True)
    bench.offer("c2", generation=2)
    assert bench.final("c2").status == "done"


def test_reports_leave_in_batches_that_the_controller_can_take() -> None:
    outbox = Outbox()
    for number in range(5):
        outbox.put(Report(f"big-{number}", "done", result={"output": "x" * (MOST_BYTES // 3)}))
    for number in range(MOST_REPORTS * 2):
        outbox.put(Report(f"small-{number}", "done"))
    sizes = []
    while batch := outbox.wait(0):
        sizes.append(len(batch))
        outbox.sent(batch)
    assert sizes == [2, 2, MOST_REPORTS, MOST_REPORTS, 1]


def test_an_answer_that_can_never_be_sent_is_a_failure_and_holds_up_nobody() -> None:
    outbox = Outbox()
    outbox.put(Report("huge", "done", result={"output": "\x1b" * MOST_BYTES}))
    outbox.put(Report("next", "done"))
    huge, following = outbox.wait(0)
    assert (huge.status, huge.error_code) == ("failed", "internal")
    assert following.command_id == "next"


@pytest.mark.parametrize("character", ["x", "\x1b", "ữ", "\U0001f600"])
def test_a_long_console_log_is_cut_to_what_can_be_sent(character: str) -> None:
    text = character * (1 << 20) + "the end"
    kept = last_that_fits(text)
    assert kept.endswith("the end")
    report = Report("log", "done", result={"output": kept})
    outbox = Outbox()
    outbox.put(report)
    assert outbox.wait(0) == [report]
    assert MOST_BYTES // 3 < len(json.dumps(kept)) <= MOST_BYTES // 2
    assert last_that_fits("short") == "short"


def test_a_host_whose_disk_is_full_says_so_and_works_again_with_room(bench: Bench) -> None:
    database = bench.journal._db
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(50):
        bench.offer(f"full-{number}")
        report = bench.final(f"full-{number}")
        if report.status == "failed":
            break
    assert (report.error_code, report.retryable) == ("no_space", True)
    assert report.error_message == "The host's disk is full."
    database.execute("PRAGMA max_page_count = 100000")
    bench.offer("c1", generation=99)
    assert bench.final("c1").status == "done"


def test_a_journal_that_cannot_be_written_begins_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_command: Command) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(bench.journal, "begin", broken)
    bench.offer("c1")
    report = bench.final("c1")
    assert (report.error_code, report.retryable) == ("io", True)
    assert bench.dispatcher.busy() == set()
