"""Keeps many programs running, in a process of its own, as ``webcloud up`` keeps three.

``python -m tests.chaos.fleet FILE`` starts what the file lists under the
product's own supervisor, the agents a little apart, and ends with them on
SIGTERM.  Who is killed from outside is started again.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from webcloud.supervising.account import Account
from webcloud.supervising.child import Child
from webcloud.supervising.logs import Logs
from webcloud.supervising.programs import Program
from webcloud.supervising.supervisor import Supervisor
from webcloud.supervising.takeover import PidFile


def launch(folder: Path, name: str, programs: Iterable[Program]) -> subprocess.Popen[bytes]:
    """Start a supervisor over these programs; pid files go to ``folder/pids``."""
    listed = [{**asdict(each), "log": str(each.log)} for each in programs]
    order = folder / f"{name}.json"
    order.write_text(json.dumps(listed), encoding="utf-8")
    with (folder / "logs" / f"{name}.out").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.fleet", str(order)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """End the supervisor and all it keeps."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(order: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = order.parent
    supervisor = Supervisor(_say, Logs(folder / "logs", echoing=False))
    try:
        for each in json.loads(order.read_text(encoding="utf-8")):
            supervisor.add(Child(_program(each), PidFile(folder / "pids" / f"{each['name']}.pid")))
            if each["name"].startswith("agent"):
                # All at once they would keep both processors from everything else.
                time.sleep(0.3)
            supervisor.look()
        supervisor.run()
    finally:
        supervisor.stop()


def _program(listed: dict[str, object]) -> Program:
    account = listed["account"]
    return Program(
        **{  # type: ignore[arg-type]
            **listed,
            "log": Path(str(listed["log"])),
            "account": Account(**account) if isinstance(account, dict) else None,
        }
    )


def _say(words: str) -> None:
    print(f"{time.time():.3f} {words}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
