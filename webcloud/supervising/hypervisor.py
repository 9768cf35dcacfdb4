"""Has libvirt answer, also where no systemd starts it.

Started libvirt processes belong to nobody afterwards: they outlive the
supervisor on purpose, for they hold the virtual machines.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from webcloud.supervising.checks import CannotStart, found

LIBVIRT_SOCKET = Path("/run/libvirt/libvirt-sock")
LOCK_SOCKET = Path("/run/libvirt/virtlogd-sock")
SYSTEMD = Path("/run/systemd/system")
WAIT_SECONDS = 30.0


def start(say: Callable[[str], None]) -> None:
    """Return once libvirt's socket accepts; raises CannotStart after 30 s."""
    if answers(LIBVIRT_SOCKET):
        return
    if SYSTEMD.is_dir():
        say("starting libvirtd through systemd")
        _run("systemctl", "start", "libvirtd")
    else:
        say("starting libvirtd (no systemd here)")
        if not answers(LOCK_SOCKET):
            _run("virtlogd", "-d")
        _run("libvirtd", "-d")
    deadline = time.monotonic() + WAIT_SECONDS
    while not answers(LIBVIRT_SOCKET):
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


def _run(program: str, *arguments: str) -> None:
    path = found(program)
    if path is None:
        raise CannotStart(f"{program} is not installed.", next_step="Run: make setup")
    # Our settings stay out of a process that will hold every machine.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
    done = subprocess.run(
        [path, *arguments],
        check=False,
        env=environ,
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
