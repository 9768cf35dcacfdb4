"""From prepared database to answering controller and its first host: what is waited for.

Preparing runs in a process of its own, as the service user, and ends: it
loads the whole application, which the supervisor must not keep in memory.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webcloud.config import Config
from webcloud.supervising import credentials, programs
from webcloud.supervising.account import Account
from webcloud.supervising.checks import CannotStart
from webcloud.supervising.logs import appending
from webcloud.supervising.own_command import typed
from webcloud.supervising.supervisor import Supervisor

READY_SECONDS = 60.0
HOST_SECONDS = 30.0


@dataclass(frozen=True)
class Prepared:
    """What preparing found or made. ``admin_password`` is empty when nobody here knows it."""

    login_link: str
    admin_password: str
    join_token: str


def prepare(
    config: Config, account: Account | None, known_password: str | None, say: Callable[[str], None]
) -> Prepared:
    """Bring the database up to date and create what a first start needs.

    Raises CannotStart with the reason that the preparing process gave.
    """
    request = {
        "host_name": programs.host_name(),
        "joined": (config.state_dir / "agent" / "credential").exists(),
        "password": known_password or "",
        "password_given": bool(config.admin_password),
        "new_password": credentials.new_password(),
    }
    with appending(programs.log_file(config, "prepare")) as log:
        process = subprocess.Popen(
            [*programs.PYTHON, "webcloud.preparing"],
            env=programs.environment(config),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            umask=0o027,
            text=True,
        )
    assert process.stdin and process.stdout  # noqa: S101 - both are pipes
    process.stdin.write(json.dumps(request))
    process.stdin.close()
    last: dict[str, Any] = {}
    for line in process.stdout:
        last = json.loads(line)
        if "say" in last:
            say(last["say"])
    if process.wait() != 0 or "result" not in last:
        raise CannotStart(
            last.get("error") or "The database could not be prepared.",
            next_step=f"Read {programs.log_file(config, 'prepare')}.",
        )
    return Prepared(**last["result"])


def wait(config: Config, supervisor: Supervisor) -> None:
    """Return once /healthz says the controller can serve; raises CannotStart after 60 s."""
    if not _until(lambda: _health(config) is not None, supervisor, READY_SECONDS):
        raise CannotStart(
            f"The controller does not answer within {READY_SECONDS:.0f} seconds.",
            next_step=f"Read {programs.log_file(config, 'controller')}.",
        )


def wait_for_host(config: Config, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    """Return once a host has told what it offers, so that the first instance finds room.

    The first time that libvirt is asked it starts every QEMU there is, which
    takes seconds.  After HOST_SECONDS this says so and returns.
    """

    def told() -> bool:
        health = _health(config) or {}
        return bool(health.get("parts", {}).get("hosts", {}).get("described"))

    if not _until(told, supervisor, HOST_SECONDS):
        say(
            "what this machine offers is not known yet, so no instance is placed on it; "
            f"{typed('doctor')} says more"
        )


def _until(holds: Callable[[], bool], supervisor: Supervisor, seconds: float) -> bool:
    """Whether it came to hold in time; the children are looked after meanwhile."""
    deadline = time.monotonic() + seconds
    while not holds():
        supervisor.look()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _health(config: Config) -> dict[str, Any] | None:
    """What /healthz answers with 200, asked with a bare socket to stay small in memory."""
    host, _, port = programs.local_address(config).removeprefix("http://").rpartition(":")
    request = f"GET /healthz HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
            found = json.loads(body) if b" 200 " in head.split(b"\r\n", 1)[0] else None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
