"""Conductors in processes of their own, to be killed or frozen at a chosen step.

``python -m tests.support.worker_process`` builds the product once and then
forks a child for each line it reads: a request says which database, which
operation, and at which moment of which step the child sends itself which
signal.  Without reaching that moment the child ends with status 0 when the
operation has ended.  Each thing that happens to a child is one line of answer.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

MOMENTS = ("before", "asked", "done")
SECONDS = 60.0


@dataclass(frozen=True)
class Order:
    """``moment``: "between" transactions, or inside one "before" the step, "asked" or "done".

    For a step named ``undo:…`` the operation's last step fails after its effect.
    """

    url: str
    state_dir: str
    operation_id: str
    kind: str
    step: str
    moment: str
    signal: int = signal.SIGKILL


class Workers:
    """The test's side: one child at a time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.worker_process"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = 0

    def start(self, order: Order) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        self._server.stdin.flush()
        self.pid = self._next(SECONDS)["pid"]

    def happened(self, meanwhile: Callable[[], None]) -> dict[str, int]:
        """What comes of the child, ``{"stopped": 1}`` or ``{"killed": n}`` or ``{"exit": n}``."""
        deadline = time.monotonic() + SECONDS
        while not self._readable(0.005):
            assert time.monotonic() < deadline, "nothing became of the worker"
            meanwhile()
        return self._next(SECONDS)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(SECONDS)

    def _readable(self, seconds: float) -> bool:
        assert self._server.stdout is not None
        return bool(select.select([self._server.stdout], [], [], seconds)[0])

    def _next(self, seconds: float) -> dict[str, int]:
        assert self._readable(seconds), "the server of workers says nothing"
        assert self._server.stdout is not None
        found: dict[str, int] = json.loads(self._server.stdout.readline())
        return found


@contextmanager
def workers() -> Iterator[Workers]:
    made = Workers()
    try:
        yield made
    finally:
        made.end()


def serve() -> None:
    """Fork a child per line of input and tell what becomes of it."""
    from webcloud.application import build
    from webcloud.config import Config

    with tempfile.TemporaryDirectory() as folder:
        build(Config(state_dir=Path(folder), database_url="sqlite://"))
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(Order(**json.loads(line)))
        _say({"pid": pid})
        while pid:
            _, status = os.waitpid(pid, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                _say({"stopped": 1})
                continue
            killed = os.WIFSIGNALED(status)
            _say({"killed": os.WTERMSIG(status)} if killed else {"exit": os.WEXITSTATUS(status)})
            pid = 0


def _say(what: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _child(order: Order) -> None:
    from tests.support.operations import look, replaced
    from tests.support.step_faults import fail_after
    from webcloud.conductor import registry, runner
    from webcloud.config import Config
    from webcloud.db import Database
    from webcloud.hosts import presence
    from webcloud.images import place

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Nobody speaks for the hosts while this process is made ready.
    presence.SILENT_AFTER = timedelta(hours=1)
    database = Database(order.url)
    place.configure(Config(state_dir=Path(order.state_dir), import_allow_private=True))
    conductor = runner.Conductor(
        database, workers=1, lease_seconds=60, watchdog_seconds=55, poll_seconds=0.01
    )
    # Reconcilers are another story, and would write rows of their own.
    conductor._periodic.start = lambda: None  # type: ignore[method-assign]
    if order.moment == "between":
        runner.steps = _Between(order, runner.steps, database)  # type: ignore[assignment]
    operation = registry.get(order.kind)
    fails = operation.steps[-1].name if order.step.startswith("undo:") else ""
    striking = _striking(order, conductor)
    with replaced(
        operation,
        do=lambda own: {order.step: striking, fails: fail_after}.get(own.name),
        undo=lambda own: striking if f"undo:{own.name}" == order.step else None,
    ):
        conductor.start()
        while look(database, order.operation_id).finished_at is None:
            time.sleep(0.02)
        conductor.stop()
    os._exit(0)


def _striking(order: Order, conductor: Any) -> Any:
    from webcloud.conductor.operation import Done, Run, Wait

    struck: list[str] = []

    def strike(moment: str) -> None:
        if moment == order.moment and not struck:
            struck.append(moment)
            _send_itself(order.signal)
            # Who comes back from a stop ends this step, and takes no other.
            conductor._stopping.set()

    def change(function: Callable[[Run], Done | Wait]) -> Callable[[Run], Done | Wait]:
        def striking(run: Run) -> Done | Wait:
            strike("before")
            result = function(run)
            run.session.flush()
            strike("done" if isinstance(result, Done) else "asked")
            return result

        return striking

    return change


def _send_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    # A stop reaches each thread a little later; this one must do nothing until then.
    time.sleep(0.2)


class _Between:
    """``steps`` with the signal sent before the transaction of the step begins."""

    def __init__(self, order: Order, steps: Any, database: Any) -> None:
        self._order, self._steps, self._database = order, steps, database
        self._struck = False

    def execute(self, database: Any, lease: Any) -> bool:
        from tests.support.operations import look

        if not self._struck and look(database, lease.operation_id).step == self._order.step:
            self._struck = True
            _send_itself(self._order.signal)
        return bool(self._steps.execute(database, lease))


if __name__ == "__main__":
    serve()
