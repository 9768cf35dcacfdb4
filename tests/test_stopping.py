"""A web worker ends when what it has begun is finished, and not before."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from werkzeug.test import create_environ

from webcloud import stopping
from webcloud.stopping import RequestCounter


class Conductor:
    """Remembers that it was stopped."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()


class Worker:
    def __init__(self) -> None:
        self.told: list[int] = []

    def handle_exit(self, number: int, _frame: object) -> None:
        self.told.append(number)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set when the process would have ended with status 0."""
    event = threading.Event()

    def leave(status: int) -> None:
        assert status == 0
        event.set()

    with monkeypatch.context() as patch:
        patch.setattr(os, "_exit", leave)
        yield event


def answer(_environ: dict[str, Any], _start: object) -> Iterable[bytes]:
    return [b"done"]


def test_a_request_counts_until_its_answer_is_closed() -> None:
    counter = RequestCounter(answer)
    given = counter(create_environ("/"), None)
    assert counter.busy
    assert list(given) == [b"done"]
    given.close()  # type: ignore[attr-defined]
    assert not counter.busy


def test_a_request_that_fails_counts_no_longer() -> None:
    def fail(_environ: dict[str, Any], _start: object) -> Iterable[bytes]:
        assert counter.busy
        raise RuntimeError("no answer")

    counter = RequestCounter(fail)
    with pytest.raises(RuntimeError, match="no answer"):
        counter(create_environ("/"), None)
    assert not counter.busy


def test_a_socket_that_stays_open_is_not_waited_for() -> None:
    counter = RequestCounter(answer)
    counter(create_environ("/", headers={"Upgrade": "websocket"}), None)
    assert not counter.busy


def test_a_worker_ends_after_its_last_request_and_its_conductor(ended: threading.Event) -> None:
    counter, conductor = RequestCounter(answer), Conductor()
    given = counter(create_environ("/"), None)
    ending = threading.Thread(target=stopping._finish, args=(counter, conductor))
    ending.start()
    assert conductor.stopped.wait(10)
    ending.join(0.3)
    assert not ended.is_set(), "a request is still being answered"
    given.close()  # type: ignore[attr-defined]
    ending.join(10)
    assert ended.is_set()


def test_a_request_that_never_ends_does_not_keep_a_worker(
    ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "LONGEST_SECONDS", 0.2)
    counter = RequestCounter(answer)
    counter(create_environ("/"), None)
    stopping._finish(counter, Conductor())
    assert counter.busy
    assert ended.is_set()


def test_sigterm_tells_gunicorn_and_ends_the_worker(ended: threading.Event) -> None:
    before = signal.getsignal(signal.SIGTERM)
    worker, conductor = Worker(), Conductor()
    try:
        stopping.end_quickly(worker, RequestCounter(answer), conductor)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert worker.told == [signal.SIGTERM]
    assert ended.wait(10)
    assert conductor.stopped.is_set()
