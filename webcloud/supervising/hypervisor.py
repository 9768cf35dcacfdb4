"""Has libvirt answer, also where no systemd starts it.

Started libvirt processes belong to nobody afterwards: they outlive the
supervisor on purpose, for they hold the virtual machines.  libvirtd runs under
``tini``, which clears away the QEMUs that have ended: libvirt waits for that,
and the first process of a container may take seconds or never do it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from webcloud.supervising.checks import SYSTEMD, CannotStart, found
from webcloud.supervising.logs import appending

LIBVIRT_SOCKET = Path("/run/libvirt/libvirt-sock")
LOCK_SOCKET = Path("/run/libvirt/virtlogd-sock")
LIBVIRT_LOG = Path("/var/log/libvirt/libvirtd.log")
# Held while one is started, so that two of us never start two.
STARTING = Path("/run/webcloud-libvirtd.lock")
WAIT_SECONDS = 30.0


def start(say: Callable[[str], None]) -> None:
    """Return once libvirt's socket accepts; raises CannotStart after 30 s."""
    if answers(LIBVIRT_SOCKET):
        return
    with STARTING.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answers(LIBVIRT_SOCKET):
            _start(say)


def _start(say: Callable[[str], None]) -> None:
    daemon: subprocess.Popen[bytes] | None = None
    if SYSTEMD.is_dir():
        say("starting libvirtd through systemd")
        _run("systemctl", "start", "libvirtd")
    else:
        say("starting libvirtd (no systemd here)")
        if not answers(LOCK_SOCKET):
            _run("virtlogd", "-d")
        daemon = keep("libvirtd", LIBVIRT_LOG)
    deadline = time.monotonic() + WAIT_SECONDS
    while not answers(LIBVIRT_SOCKET):
        if daemon is not None and daemon.poll() is not None:
            raise CannotStart(
                f"libvirtd could not be started: it ended with {daemon.returncode}.",
                next_step=f"Read the end of {LIBVIRT_LOG}.",
            )
        if time.monotonic() > deadline:
            raise CannotStart(
                f"libvirtd was started but does not answer within {WAIT_SECONDS:.0f} seconds.",
                next_step="Run libvirtd in a terminal and read what it says.",
            )
        time.sleep(0.1)


def answers(path: Path) -> bool:
    """Whether somebody accepts on this unix socket."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(2)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    finally:
        probe.close()
    return True


def keep(program: str, log: Path) -> subprocess.Popen[bytes]:
    """Start what outlives us, with somebody who clears away its orphans; it writes to ``log``."""
    argv = [_found("tini"), "-s", "--", _found(program)]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = appending(log)
    except OSError as error:
        raise CannotStart(
            f"{log} cannot be written: {error.strerror}.", next_step="Give it room and rights."
        ) from error
    with output:
        return subprocess.Popen(
            argv,
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [_found(program), *arguments],
        check=False,
        env=_environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=WAIT_SECONDS,
        text=True,
    )
    if done.returncode != 0:
        raise CannotStart(
            f"{program} could not be started: {done.stderr.strip()[-500:]}",
            next_step=f"Run {program} in a terminal and read what it says.",
        )


def _found(program: str) -> str:
    path = found(program)
    if path is None:
        raise CannotStart(f"{program} is not installed.", next_step="Run: make setup")
    return path


def _environment() -> dict[str, str]:
    """Our settings stay out of a process that will hold every machine."""
    return {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
