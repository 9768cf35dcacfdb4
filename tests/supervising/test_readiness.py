"""What is waited for before a cloud is said to be ready."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from webcloud.config import Config
from webcloud.supervising import readiness
from webcloud.supervising.checks import CannotStart
from webcloud.supervising.logs import Logs
from webcloud.supervising.supervisor import Supervisor


@contextmanager
def answering(
    tmp_path: Path, *answers: tuple[int, str], left: list[tuple[int, str]] | None = None
) -> Iterator[Config]:
    """A /healthz that answers these in turn, and the last one for ever; ``left`` tells which."""
    left = [] if left is None else left
    left.extend(answers)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Config(state_dir=tmp_path, listen=f"127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    (tmp_path / "logs").mkdir()
    return Supervisor(lambda _words: None, Logs(tmp_path / "logs", echoing=False))


def hosts(described: int) -> str:
    return json.dumps({"parts": {"hosts": {"described": described}}})


def test_a_host_that_tells_late_is_waited_for(tmp_path: Path, supervisor: Supervisor) -> None:
    said: list[str] = []
    answers = [(503, "{}"), (200, "no JSON"), (200, "[]"), (200, hosts(0)), (200, hosts(1))]
    left: list[tuple[int, str]] = []
    with answering(tmp_path, *answers, left=left) as config:
        readiness.wait_for_host(config, supervisor, said.append)
    assert said == []
    assert left == [(200, hosts(1))]


def test_a_host_that_never_tells_is_said_and_not_waited_for_longer(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "HOST_SECONDS", 0.3)
    said: list[str] = []
    with answering(tmp_path, (200, hosts(0))) as config:
        readiness.wait_for_host(config, supervisor, said.append)
    (words,) = said
    assert words.startswith("what this machine offers is not known yet")
    assert words.endswith("doctor says more")


def test_a_controller_that_never_answers_ends_the_start(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.3)
    with answering(tmp_path, (503, "{}")) as config, pytest.raises(CannotStart):
        readiness.wait(config, supervisor)
