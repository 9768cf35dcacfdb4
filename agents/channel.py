"""The agent's side of the channel: dial in, claim, report.

Everything is pulled or pushed by the agent over HTTP; a hint only shortens
the wait.  Three threads: one claims commands, one delivers reports, one tells
inventory and domain states.  Each survives any failure of the controller and
tries again with back-off; a 401 is said clearly and tried again, because the
credential may be given back.  The first two give signs of life to a watchdog.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable

from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.dispatch import Dispatcher
from agents.journal import Journal
from agents.outbox import Outbox
from agents.watchdog import Pulse
from agents.wire.codec import WireError, decode
from agents.wire.commands import Command
from agents.wire.reports import Report

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
# While the connection for hints stands, one that is lost is sent again by the controller.
POLL_SECONDS_HINTED = 300.0
BACKOFF_FIRST, BACKOFF_LAST = 0.2, 2.0
BACKOFF_UNAUTHORIZED = 10.0
# Not of use to the controller, today or later: told one by one, then forgotten.
UNWANTED = (400, 404, 409, 413)


def poll_seconds(hinted: bool) -> float:
    """Seconds until the agent asks for commands unasked; ``hinted``: hints would reach it.

    With jitter, so that the agents of a fleet do not ask together.
    """
    if not hinted:
        return POLL_SECONDS
    return float(POLL_SECONDS_HINTED * secrets.SystemRandom().uniform(0.5, 1.0))


class Backoff:
    """Growing pauses with jitter; says each new trouble once, and its end."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._failures = 0
        self._told = ""

    def failed(self, error: Exception) -> float:
        """Seconds to wait before the next attempt."""
        self._failures += 1
        text = str(error)
        if text != self._told:
            log.warning("%s: %s", self._doing, text)
            self._told = text
        last = BACKOFF_LAST
        if isinstance(error, Refused) and error.status == 401:
            last = BACKOFF_UNAUTHORIZED
        pause = min(BACKOFF_FIRST * 2 ** min(self._failures - 1, 8), last)
        return float(pause * secrets.SystemRandom().uniform(0.5, 1.0))

    def worked(self) -> bool:
        """True when this ends a time of trouble."""
        troubled, self._failures, self._told = self._failures > 0, 0, ""
        if troubled:
            log.info("%s: works again", self._doing)
        return troubled


class Channel:
    """Claims and reports. ``on_unauthorized`` may find a new credential (join)."""

    def __init__(
        self,
        api: ControllerApi,
        dispatcher: Dispatcher,
        journal: Journal,
        outbox: Outbox,
        *,
        on_unauthorized: Callable[[], None],
        on_recovery: Callable[[], None],
        hinted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._api = api
        self._dispatcher = dispatcher
        self._journal = journal
        self._outbox = outbox
        self._on_unauthorized = on_unauthorized
        self._on_recovery = on_recovery
        self._hinted = hinted
        self.claiming, self.reporting = Pulse(), Pulse()
        self._work = threading.Event()
        self._stop = threading.Event()

    def work_hint(self) -> None:
        self._work.set()

    def stop(self) -> None:
        self._stop.set()
        self._work.set()

    def claim_forever(self) -> None:
        """Ask for commands on a hint, and unasked now and then."""
        backoff = Backoff("asking the controller for commands")
        while not self._stop.is_set():
            self.claiming.beat()
            self._work.clear()
            try:
                self._claim()
            except (Unreachable, Refused) as error:
                if isinstance(error, Refused) and error.status == 401:
                    self._on_unauthorized()
                self.claiming.rest()
                self._stop.wait(backoff.failed(error))
                continue
            if backoff.worked():
                self._on_recovery()
            self.claiming.rest()
            self._work.wait(poll_seconds(self._hinted()))

    def report_forever(self) -> None:
        """Deliver reports as they come; what cannot be delivered waits."""
        backoff = Backoff("reporting to the controller")
        while not self._stop.is_set():
            self.reporting.beat()
            reports = self._outbox.wait(1.0)
            if not reports:
                continue
            try:
                self._deliver(reports)
            except (Unreachable, Refused) as error:
                self._stop.wait(backoff.failed(error))
                continue
            backoff.worked()

    def _claim(self) -> None:
        busy = self._dispatcher.busy()
        commands = []
        for item in self._api.commands():
            try:
                commands.append(decode(Command, item))
            except WireError as error:
                self._refuse(item, str(error))
        self._tidy({item.id for item in commands} | busy)
        # What was at work before the list was asked for and is not in it was withdrawn.
        self._dispatcher.abandon(busy - {item.id for item in commands})
        for command in sorted(commands, key=lambda item: item.generation):
            self.claiming.beat()
            if command.id not in busy and not self._outbox.holds(command.id):
                self._dispatcher.offer(command)

    def _tidy(self, wanted: set[str]) -> None:
        """Drop what was left unfinished and is neither listed nor at work any more.

        While the journal cannot be written, that is said command by command.
        """
        try:
            dropped = self._journal.forget_unfinished(wanted)
        except (sqlite3.Error, OSError) as error:
            log.error("the journal could not be tidied: %s", error)
            return
        for command_id in dropped:
            log.info("command %s is no longer wanted", command_id)

    def _refuse(self, item: object, why: str) -> None:
        log.warning("a command does not follow the contract: %s", why)
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            self._outbox.put(
                Report(item["id"], "failed", error_code="bad_command", error_message=why)
            )

    def _deliver(self, reports: list[Report]) -> None:
        self.reporting.beat()
        try:
            self._api.report(reports)
        except Refused as error:
            if error.status not in UNWANTED:
                raise
            if len(reports) > 1:
                for report in reports:
                    self._deliver([report])
                return
            log.info("the report on command %s is not wanted: %s", reports[0].command_id, error)
        self._outbox.sent(reports)
