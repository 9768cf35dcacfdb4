"""Reports on their way to the controller.

A request to the controller is bounded, so reports leave in batches below that
bound, and one that is beyond it by itself leaves as a failure: otherwise it
would hold up every report behind it for ever.
"""

from __future__ import annotations

import json
import threading

from agents.wire.codec import encode
from agents.wire.reports import Report

MOST_REPORTS, MOST_BYTES = 100, 512 * 1024  # the controller takes twice as many bytes


def last_that_fits(text: str) -> str:
    """The end of the text, as much of it as one report can carry."""
    while (over := len(json.dumps(text)) - MOST_BYTES // 2) > 0:
        # One character takes at most twelve bytes, so this never drops too many.
        text = text[over // 12 + 1 :]
    return text


class Outbox:
    """Reports on their way; newest per command, a final one is never overtaken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: dict[str, Report] = {}

    def put(self, report: Report) -> None:
        sent_as = _deliverable(report)
        with self._changed:
            waiting = self._pending.get(report.command_id)
            if waiting is not None and waiting.status != "running":
                return
            self._pending[report.command_id] = sent_as
            self._changed.notify_all()

    def wait(self, seconds: float) -> list[Report]:
        """One request's worth of them, oldest first; they stay until ``sent``."""
        with self._changed:
            if not self._pending:
                self._changed.wait(seconds)
            return self._batch()

    def sent(self, reports: list[Report]) -> None:
        with self._changed:
            for report in reports:
                if self._pending.get(report.command_id) is report:
                    del self._pending[report.command_id]
            self._changed.notify_all()

    def holds(self, command_id: str) -> bool:
        """Whether the final report of this command still waits to be sent."""
        with self._changed:
            waiting = self._pending.get(command_id)
            return waiting is not None and waiting.status != "running"

    def drain(self, seconds: float) -> bool:
        """Wait until all are sent; False when time runs out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, seconds)

    def _batch(self) -> list[Report]:
        batch: list[Report] = []
        size = 0
        for report in self._pending.values():
            size += _size(report)
            if batch and (size > MOST_BYTES or len(batch) == MOST_REPORTS):
                break
            batch.append(report)
        return batch


def _deliverable(report: Report) -> Report:
    if _size(report) <= MOST_BYTES:
        return report
    return Report(
        report.command_id,
        "failed",
        error_code="internal",
        error_message="The host's answer is too large to be sent.",
    )


def _size(report: Report) -> int:
    return len(json.dumps(encode(report)))
