"""A host for tests: the real agent, moved by the test instead of by its threads.

``round`` claims what the controller wants, lets the dispatcher work until it is
idle, and delivers the reports: the agent's own code on real files and libvirt's
test driver, against the controller's own HTTP API without a socket between.
Faults come in at three places: ``wire`` is what every request passes,
``around`` what every handler is called through, and ``journal_fault`` what may
break the journal.  ``die`` ends the agent as a kill would, between two writes
of its journal; the next round starts it again from its folder.
"""

from __future__ import annotations

import io
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from agents.agent import Agent
from agents.config import AgentConfig
from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.dispatch import Handler, Task
from agents.wire.commands import Command, EnsureImage
from agents.wire.reports import Report
from webcloud.hosts import commands, enrolment
from webcloud.images.models import Image

Answer = tuple[int, str, bytes]
Wire = Callable[[str, str, Callable[[], Answer]], Answer]
Around = Callable[[Handler, Any, Task], dict[str, Any]]
SECONDS = 30.0


class Killed(BaseException):
    """Ends a thread of an agent that is being killed; nothing after it is written."""


def through(_method: str, _path: str, send: Callable[[], Answer]) -> Answer:
    """A wire without faults."""
    return send()


def plainly(handler: Handler, order: Any, task: Task) -> dict[str, Any]:
    """A host without faults."""
    return handler(order, task)


class DirectApi(ControllerApi):
    """The controller's API called in this process; a request may be lost on the wire."""

    def __init__(self, app: Flask, wire: Callable[[], Wire]) -> None:
        super().__init__("http://controller.test")
        self._app, self._wire = app, wire

    def _download(self, path: str, offset: int) -> tuple[Any, bool]:
        headers = {"Authorization": self._authorization}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        status, reason, raw = self._exchange("GET", path, None, headers)
        if status not in (200, 206):
            raise Refused(status, reason)
        return io.BytesIO(raw), status == 206

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> Answer:
        def send() -> Answer:
            answer = self._app.test_client().open(path, method=method, data=data, headers=headers)
            return answer.status_code, answer.status, answer.data

        return self._wire()(method, path, send)


class SteppedHost:
    """``begun`` and ``ended`` list the commands whose effect was begun and came to its end."""

    def __init__(self, app: Flask, folder: Path, libvirt_uri: str, name: str) -> None:
        self._app = app
        self.name = name
        folder.mkdir(parents=True)
        self.config = AgentConfig(
            controller="http://controller.test",
            name=name,
            state_dir=folder / "state",
            run_dir=folder / "run",
            virt="test",
            credential_file=folder / "state" / "credential",
            join_token_file=folder / "token",
            libvirt_uri=libvirt_uri,
        )
        self.wire: Wire = through
        self.around: Around = plainly
        self.begun: list[Command] = []
        self.ended: list[Command] = []
        self.journal_fault: Callable[[str], None] = lambda _name: None
        self.dead = threading.Event()
        self.silent = False
        self.agent: Agent
        self.invite()
        self.start()
        self.agent.api.inventory(self.agent._inventory())

    @property
    def id(self) -> str:
        return self.agent.credential.pair()[0]

    def invite(self) -> None:
        """Give the host a new join token, as an operator would."""
        with self._app.extensions["webcloud"].database.transaction() as session:
            token = enrolment.make_join_token(session, self.name)
        assert self.config.join_token_file is not None
        self.config.join_token_file.write_text(token)

    def start(self) -> None:
        """Put the agent together from what is in its folder."""
        self.agent = Agent(self.config, DirectApi(self._app, lambda: self.wire))
        self.agent.libvirt.start()
        assert self.agent.credential.load() or self.agent.credential.join()
        dispatcher = self.agent.dispatcher
        dispatcher._handlers = {
            verb: self._watched(handler) for verb, handler in dispatcher._handlers.items()
        }
        for name in ("find", "begin", "finish", "highest"):
            self._make_fallible(name)
        self.dead.clear()

    def die(self) -> None:
        """End the thread that calls this, and with it the agent."""
        self.dead.set()
        raise Killed

    def kill(self) -> None:
        """End the agent where it is now; its next round starts it again."""
        self.dead.set()

    def round(self) -> None:
        """Ask, work, report, and tell the guests' states; start anew if it was killed."""
        if self.silent:
            return
        if self.dead.is_set():
            self.end()
            self.start()
        try:
            self.agent.channel._claim()
            self._work()
            self._deliver()
            if not self.dead.is_set():
                self.agent.api.domains(self.agent.watcher.full())
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and error.status == 401:
                self.agent.credential.join()
        except Killed:
            assert self.dead.is_set()
        except sqlite3.Error:
            # The agent's own thread breaks here, too, and starts again.
            return

    def fetch(self, image_id: str) -> None:
        """Have the image in this host's cache, as after somebody's first instance on it."""
        app_database = self._app.extensions["webcloud"].database
        with app_database.transaction() as session:
            image = session.get_one(Image, image_id)
            order = EnsureImage(image.id, image.sha256, image.size, image.disk_format)
            commands.tell(session, self.id, order)
        self.round()
        assert image_id in self.agent.images.cached()
        self.agent.api.inventory(self.agent._inventory())

    def offer(self, command: Command) -> Report | None:
        """Hand the agent a command as from a controller; its report, not delivered."""
        self.agent.dispatcher.offer(command)
        self._work()
        found = None
        for report in self.agent.outbox.wait(0):
            if report.command_id == command.id and report.status != "running":
                found = report
        self.agent.outbox.sent(self.agent.outbox.wait(0))
        return found

    def repeat_old_commands(self) -> list[Report | None]:
        """Everything that is older than the newest of its subject once more, under new ids."""
        highest = self.agent.journal.highest
        old = [each for each in self.begun if 0 < each.generation < highest(each.subject_id)]
        return [self.offer(replace(each, id=str(uuid.uuid4()))) for each in old]

    def end(self) -> None:
        """Leave no thread and no connection; files and domains stay."""
        self.agent.dispatcher.stop()
        self.agent.libvirt.stop()
        self.agent.journal.close()

    def _work(self) -> None:
        deadline = time.monotonic() + SECONDS
        while self.agent.dispatcher.busy() and not self.dead.is_set():
            assert time.monotonic() < deadline, f"{self.name} does not end its work"
            time.sleep(0.001)

    def _deliver(self) -> None:
        reports = self.agent.outbox.wait(0)
        if reports and not self.dead.is_set():
            self.agent.channel._deliver(reports)

    def _make_fallible(self, name: str) -> None:
        journal = self.agent.journal
        sound = getattr(journal, name)

        def fallible(*arguments: Any) -> Any:
            self.journal_fault(name)
            return sound(*arguments)

        setattr(journal, name, fallible)

    def _watched(self, handler: Handler) -> Handler:
        def watched(order: Any, task: Task) -> dict[str, Any]:
            if task.command.generation:
                self.begun.append(task.command)
            result = self.around(handler, order, task)
            if task.command.generation:
                self.ended.append(task.command)
            return result

        return watched
