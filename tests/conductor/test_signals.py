"""Listeners are named once, told of what concerns them, and may fail."""

from __future__ import annotations

import logging

import pytest

from tests.conductor.kinds import begin, build, drive, journal
from webcloud.conductor import signals
from webcloud.conductor.models import OperationRow
from webcloud.conductor.signals import Snapshot
from webcloud.db import Database


def test_whoever_is_named_twice_is_told_once_that_an_operation_ends(database: Database) -> None:
    told: list[tuple[str, str]] = []

    def turned(_session: object, row: OperationRow) -> None:
        told.append((row.id, row.status))

    signals.on_turned(turned)
    signals.on_turned(turned)
    operation_id = begin(database, build(journal))
    drive(database, operation_id)
    assert told == [(operation_id, "done")]


def test_whoever_is_named_twice_is_told_once_of_a_jump(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_jumping", [])
    monkeypatch.setattr(signals, "_jumped", [])
    told: list[tuple[str, float]] = []

    def jumping(_database: Database, seconds: float) -> None:
        told.append(("jumping", seconds))

    def jumped(_database: Database, seconds: float) -> None:
        told.append(("jumped", seconds))

    for _ in range(2):
        signals.on_jumping(jumping)
        signals.on_jump(jumped)
    signals.jumping(database, 60.0)
    signals.jumped(database, 60.0)
    assert told == [("jumping", 60.0), ("jumped", 60.0)]


def test_a_listener_that_fails_keeps_no_other_from_hearing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def broken(_snapshot: Snapshot) -> None:
        raise RuntimeError("a listener's own fault")

    def listening(snapshot: Snapshot) -> None:
        heard.append(snapshot["status"])

    signals.on_change(broken)
    signals.on_change(listening)
    with caplog.at_level(logging.ERROR, logger=signals.__name__):
        operation_id = begin(database, build(journal))
        drive(database, operation_id)
    assert heard[0] == "queued"
    assert heard[-1] == "done"
    assert "a listener to the conductor failed" in caplog.text


def test_a_jump_that_cannot_be_put_right_is_not_passed_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_jumping", [])

    def unable(_database: Database, _seconds: float) -> None:
        raise RuntimeError("no database")

    signals.on_jumping(unable)
    with pytest.raises(RuntimeError, match="no database"):
        signals.jumping(database, 60.0)


def test_whoever_is_forgotten_hears_nothing_more(database: Database) -> None:
    heard: list[str] = []
    signals.on_accepted(heard.append)
    first = begin(database, build(journal))
    signals.forget(heard.append)
    begin(database, build(journal, kind="thing.other"))
    assert heard == [first]
    signals.forget(heard.append)
    assert heard == [first]
