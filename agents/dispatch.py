"""Which command runs when.

Commands of one subject run one after the other in generation order; different
subjects run side by side on eight threads.  Queries (generation 0) have two
threads of their own, so that reading a console log never waits for an image.
A command already running is ignored, one already finished is answered from
the journal, an older generation is refused, and a running command learns
through its Task that a newer one is waiting or that it was withdrawn.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agents.errors import AgentError, Superseded, from_os_error
from agents.journal import Journal
from agents.wire.codec import WireError, decode
from agents.wire.commands import VERBS, Command
from agents.wire.reports import ERROR_CODES, Report

log = logging.getLogger(__name__)

WORKERS, QUERY_WORKERS = 8, 2
PROGRESS_INTERVAL = 0.25


class Task:
    """What a running handler may ask for and tell."""

    def __init__(self, command: Command, tell: Callable[[Report], None]) -> None:
        self.command = command
        self.superseded = threading.Event()
        self._tell = tell
        self._told_at = 0.0

    def progress(self, fraction: float) -> None:
        """Say how far it is, 0..1; at most four times a second leave the host."""
        self.check()
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_INTERVAL:
            self._told_at = now
            self._tell(Report(self.command.id, "running", min(max(fraction, 0.0), 1.0)))

    def check(self) -> None:
        """Raises Superseded when a newer command is waiting or this one was withdrawn."""
        if self.superseded.is_set():
            raise Superseded()


Handler = Callable[[Any, Task], dict[str, Any]]
Last = tuple[Command, Report]


class Dispatcher:
    """``tell`` receives every report, progress and final alike.

    ``settled`` is called with a subject when all its commands have ended, and
    with the last of them and its report; None when all were withdrawn.
    """

    def __init__(
        self,
        journal: Journal,
        handlers: dict[str, Handler],
        tell: Callable[[Report], None],
        settled: Callable[[str, Last | None], None] = lambda *_: None,
    ) -> None:
        self._settled = settled
        self._journal = journal
        self._handlers = handlers
        self._tell = tell
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Command]] = {}
        self._running: dict[str, Task] = {}
        self._draining: set[str] = set()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="command")
        self._queries = ThreadPoolExecutor(QUERY_WORKERS, thread_name_prefix="query")
        self._queried: set[str] = set()

    def offer(self, command: Command) -> None:
        """Take a command from the controller's list, as often as it appears there."""
        if command.generation == 0:
            self._offer_query(command)
            return
        with self._lock:
            subject = command.subject_id
            task = self._running.get(subject)
            queue = self._waiting.get(subject, [])
            if any(item.id == command.id for item in queue):
                return
            if task is not None and task.command.id == command.id:
                return
            refusal = self._written_down(command)
            if refusal is not None:
                self._tell(refusal)
                return
            if task is not None and task.command.generation < command.generation:
                task.superseded.set()
            self._waiting[subject] = sorted([*queue, command], key=lambda item: item.generation)
            if subject not in self._draining:
                self._draining.add(subject)
                self._pool.submit(self._drain, subject)

    def abandon(self, unwanted: set[str]) -> None:
        """Drop those that wait, and tell the handlers of those that run to give up."""
        with self._lock:
            for subject, queue in self._waiting.items():
                self._waiting[subject] = [item for item in queue if item.id not in unwanted]
            for task in self._running.values():
                if task.command.id in unwanted:
                    task.superseded.set()

    def busy(self) -> set[str]:
        """Ids of the commands that wait or run; a query's too."""
        with self._lock:
            waiting = {item.id for queue in self._waiting.values() for item in queue}
            running = {task.command.id for task in self._running.values()}
            return waiting | running | self._queried

    def works_on(self, subject_id: str) -> bool:
        """Whether a command of this subject waits or runs."""
        with self._lock:
            return subject_id in self._draining

    def stop(self) -> None:
        """Take no new work; what runs is left to the end of the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._queries.shutdown(wait=False, cancel_futures=True)

    def _drain(self, subject: str) -> None:
        last: Last | None = None
        while True:
            with self._lock:
                queue = self._waiting.get(subject, [])
                if not queue:
                    self._waiting.pop(subject, None)
                    self._draining.discard(subject)
                    break
                command = queue.pop(0)
                task = Task(command, self._tell)
                self._running[subject] = task
            report = self._fenced(command) or self._carry_out(command, task)
            self._remember(report)
            with self._lock:
                del self._running[subject]
            self._tell(report)
            last = command, report
        self._settled(subject, last)

    def _written_down(self, command: Command) -> Report | None:
        """What to answer instead of doing it; None once the journal holds the command.

        A command that cannot be written down is not begun: it could be done
        twice, and an older one after it.
        """
        try:
            self._journal.ready_for(command)
            known = self._journal.find(command.id)
            if known is not None and known.report is not None:
                return known.report
            return None if self._journal.begin(command) else _stale(command)
        except (sqlite3.Error, OSError) as error:
            log.error("the journal could not be written, nothing is begun: %s", error)
            return _failed(command, _unwritten(error))

    def _fenced(self, command: Command) -> Report | None:
        """The refusal of a command that a newer one has overtaken while it waited."""
        try:
            overtaken = self._journal.highest(command.subject_id) > command.generation
        except (sqlite3.Error, OSError) as error:
            log.error("the journal could not be read: %s", error)
            return _failed(command, AgentError("io", "The agent's journal cannot be read.", True))
        return _stale(command) if overtaken else None

    def _remember(self, report: Report) -> None:
        try:
            self._journal.finish(report)
        except (sqlite3.Error, OSError) as error:
            # The answer still goes out; a repeat of the command does its ensure again.
            log.error("the journal could not be written: %s", error)

    def _offer_query(self, command: Command) -> None:
        with self._lock:
            if command.id in self._queried:
                return
            self._queried.add(command.id)
        self._queries.submit(self._answer, command)

    def _answer(self, command: Command) -> None:
        report = self._carry_out(command, Task(command, self._tell))
        with self._lock:
            self._queried.discard(command.id)
        self._tell(report)

    def _carry_out(self, command: Command, task: Task) -> Report:
        started = time.monotonic()
        report = self._attempt(command, task)
        log.info(
            "%s of %s (generation %d): %s in %.0f ms",
            command.verb,
            command.subject_id,
            command.generation,
            report.error_code or report.status,
            (time.monotonic() - started) * 1000,
        )
        return report

    def _attempt(self, command: Command, task: Task) -> Report:
        kind = VERBS.get(command.verb)
        handler = self._handlers.get(command.verb)
        if kind is None or handler is None:
            return _failed(command, AgentError("bad_command", f"unknown verb {command.verb!r}"))
        try:
            return Report(command.id, "done", result=handler(decode(kind, command.payload), task))
        except WireError as error:
            return _failed(command, AgentError("bad_command", str(error)))
        except AgentError as error:
            log.warning("%s of %s failed: %s", command.verb, command.subject_id, error)
            return _failed(command, error)
        except OSError as error:
            log.warning("%s of %s failed: %s", command.verb, command.subject_id, error)
            return _failed(command, from_os_error(error, command.verb))
        except Exception:
            log.exception("%s of %s failed unexpectedly", command.verb, command.subject_id)
            return _failed(command, AgentError("internal", ERROR_CODES["internal"], True))


def _unwritten(error: Exception) -> AgentError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return AgentError("no_space", "The host's disk is full.", retryable=True)
    return AgentError("io", "The agent's journal cannot be written.", retryable=True)


def _failed(command: Command, error: AgentError) -> Report:
    return Report(
        command.id,
        "failed",
        error_code=error.code,
        error_message=str(error),
        retryable=error.retryable,
    )


def _stale(command: Command) -> Report:
    return _failed(command, Superseded())
