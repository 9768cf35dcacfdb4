"""What runs when: in order per subject, side by side otherwise, never twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.dispatch import Dispatcher, Task
from agents.errors import AgentError
from agents.journal import Journal
from agents.wire.codec import encode
from agents.wire.commands import Command, EnsureDiskAbsent, Survey
from agents.wire.reports import Report


class Bench:
    """A dispatcher whose one verb does what the test says."""

    def __init__(self, path: Path) -> None:
        self.reports: list[Report] = []
        self.body: Callable[[Any, Task], dict[str, Any]] = lambda _order, _task: {}
        self.journal = Journal(path / "journal")
        self.dispatcher = Dispatcher(
            self.journal,
            {"ensure_disk_absent": self._run, "survey": self._run},
            self.reports.append,
        )

    def _run(self, order: Any, task: Task) -> dict[str, Any]:
        return self.body(order, task)

    def offer(self, id_: str, subject: str = "s", generation: int = 1) -> None:
        payload = encode(EnsureDiskAbsent(subject))
        self.dispatcher.offer(Command(id_, "ensure_disk_absent", subject, generation, payload))

    def final(self, id_: str, seconds: float = 5) -> Report:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for report in list(self.reports):
                if report.command_id == id_ and report.status != "running":
                    return report
            time.sleep(0.005)
        raise AssertionError(f"{id_} was not reported")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_command_is_carried_out_and_its_repeat_answered_from_the_journal(bench: Bench) -> None:
    runs: list[str] = []

    def body(order: Any, _task: Task) -> dict[str, Any]:
        runs.append(order.instance_id)
        return {"n": len(runs)}

    bench.body = body
    bench.offer("c1")
    assert bench.final("c1").result == {"n": 1}
    bench.reports.clear()
    bench.offer("c1")
    assert bench.final("c1").result == {"n": 1}
    assert runs == ["s"]


def test_a_running_or_waiting_command_is_not_started_twice(bench: Bench) -> None:
    go, runs = threading.Event(), []
    bench.body = lambda order, _task: (runs.append(1), go.wait(5), {})[2]
    for _ in range(3):
        bench.offer("c1")
        bench.offer("c2", generation=2)
    go.set()
    bench.final("c2")
    assert sum(item.command_id == "c1" for item in bench.reports) == 1
    assert sum(item.command_id == "c2" for item in bench.reports) == 1


def test_commands_of_one_subject_run_in_order_and_others_beside_them(bench: Bench) -> None:
    together = threading.Barrier(2, timeout=5)
    order: list[str] = []

    def body(_order: Any, task: Task) -> dict[str, Any]:
        if task.command.id in ("a1", "b1"):
            together.wait()
        order.append(task.command.id)
        return {}

    bench.body = body
    bench.offer("a1", "a")
    bench.offer("a2", "a", 1)
    bench.offer("b1", "b")
    bench.final("a2")
    bench.final("b1")
    assert order.index("a1") < order.index("a2")


def test_a_newer_command_interrupts_the_one_that_runs(bench: Bench) -> None:
    started = threading.Event()

    def body(_order: Any, task: Task) -> dict[str, Any]:
        if task.command.generation > 1:
            return {"newer": True}
        started.set()
        for _ in range(500):
            task.check()
            time.sleep(0.01)
        return {}

    bench.body = body
    bench.offer("old")
    assert started.wait(5)
    bench.offer("new", generation=2)
    assert bench.final("old").error_code == "stale_generation"
    assert bench.final("new").result == {"newer": True}


def test_an_older_one_that_waits_is_dropped_when_a_newer_has_come(bench: Bench) -> None:
    go, runs = threading.Event(), []

    def body(_order: Any, task: Task) -> dict[str, Any]:
        runs.append(task.command.id)
        go.wait(5)
        return {}

    bench.body = body
    bench.offer("first")
    while not runs:
        time.sleep(0.005)
    bench.offer("second")
    bench.offer("third", generation=3)
    go.set()
    assert bench.final("second").error_code == "stale_generation"
    bench.final("third")
    assert runs == ["first", "third"]
    bench.offer("late", generation=2)
    assert bench.final("late").error_code == "stale_generation"


def test_what_a_crash_left_unfinished_runs_again(bench: Bench) -> None:
    payload = encode(EnsureDiskAbsent("s"))
    bench.journal.begin(Command("c1", "ensure_disk_absent", "s", 1, payload))
    bench.offer("c1")
    assert bench.final("c1").status == "done"


@pytest.mark.parametrize(
    ("raised", "code", "retryable"),
    [
        (AgentError("image_corrupt", "bad bytes"), "image_corrupt", False),
        (OSError(28, "No space left on device"), "no_space", True),
        (OSError(5, "Input/output error"), "io", True),
        (ZeroDivisionError(), "internal", True),
    ],
)
def test_each_failure_has_its_code(
    bench: Bench, raised: Exception, code: str, retryable: bool
) -> None:
    def body(_order: Any, _task: Task) -> dict[str, Any]:
        raise raised

    bench.body = body
    bench.offer("c1")
    report = bench.final("c1")
    assert (report.status, report.error_code, report.retryable) == ("failed", code, retryable)


def test_unknown_verbs_and_wrong_payloads_are_bad_commands(bench: Bench) -> None:
    bench.dispatcher.offer(Command("c1", "format_disks", "s", 1, {}))
    assert bench.final("c1").error_code == "bad_command"
    bench.dispatcher.offer(Command("c2", "ensure_disk_absent", "s", 2, {"path": "/etc"}))
    report = bench.final("c2")
    assert (report.error_code, report.error_message) == ("bad_command", "path: unknown field")


def test_queries_are_not_fenced_nor_kept_and_never_wait_for_work(bench: Bench) -> None:
    go = threading.Event()
    bench.body = lambda _order, task: {} if task.command.generation == 0 else {"w": go.wait(5)}
    for number in range(9):
        bench.offer(f"work{number}", f"s{number}", 7)
    query = Command("q", "survey", "s0", 0, encode(Survey()))
    bench.dispatcher.offer(query)
    bench.dispatcher.offer(query)
    assert bench.final("q").status == "done"
    assert bench.journal.find("q") is None
    assert "work0" in bench.dispatcher.busy()
    go.set()
    bench.final("work8")
    bench.dispatcher.stop()


def test_progress_is_bounded_in_value_and_in_rate(bench: Bench) -> None:
    def body(_order: Any, task: Task) -> dict[str, Any]:
        for step in range(100):
            task.progress(step / 10)
        return {}

    bench.body = body
    bench.offer("c1")
    bench.final("c1")
    told = [item.progress for item in bench.reports if item.status == "running"]
    assert told == [0.0]
