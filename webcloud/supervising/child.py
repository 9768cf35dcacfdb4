"""One running program: its start, its death, its restart and its end.

A child leads a session of its own, so a Ctrl-C in the terminal reaches the
supervisor alone and a whole family can be ended by its group.  The kernel
tells the child to end when the supervisor is gone, whatever killed it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from functools import partial

from webcloud.supervising import takeover
from webcloud.supervising.logs import appending
from webcloud.supervising.programs import Program

PR_SET_PDEATHSIG = 1  # linux/prctl.h
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
HEALTHY_AFTER = 10.0

_libc = ctypes.CDLL(None)


class Child:
    """A program that is kept running. All times are ``time.monotonic()`` seconds."""

    def __init__(self, program: Program, pid_file: takeover.PidFile) -> None:
        self.program = program
        self.restarts = 0
        self._pid_file = pid_file
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._due: float | None = None
        self._delay = FIRST_DELAY

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program now, its output appended to its log. Raises OSError."""
        account = self.program.account
        with appending(self.program.log) as log:
            self._process = subprocess.Popen(
                self.program.argv,
                env=self.program.environ,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.program.pass_fds,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                umask=0o027,
                preexec_fn=partial(_tie_to, os.getpid()),  # noqa: PLW1509 - it has one thread
            )
        try:
            self._pid_file.write(self._process.pid)
        except OSError:
            # Nobody would find it again once the supervisor is gone.
            self._process.kill()
            self._process.wait()
            raise
        self._started = time.monotonic()
        self._due = None

    def look(self) -> str | None:
        """Notice a death and restart when it is time; says what happened, if anything did."""
        now = time.monotonic()
        if self._due is not None:
            if now < self._due:
                return None
            try:
                self.start()
            except OSError as error:
                return self._put_off(f"could not be started ({error.strerror})")
            self.restarts += 1
            return f"{self.program.name} started again (pid {self.pid})"
        if self._process is None or self._process.poll() is None:
            return None
        ended = _how_it_ended(self._process.returncode)
        # What the dead one left running would hold its port, files and locks.
        self._pid_file.end_group(signal.SIGKILL)
        if now - self._started >= HEALTHY_AFTER:
            self._delay = FIRST_DELAY
        return self._put_off(ended)

    def _put_off(self, happened: str) -> str:
        self._due = time.monotonic() + self._delay
        words = f"{self.program.name} {happened}; starting it again in {self._delay:.1f} s"
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        return f"{words} (log: {self.program.log})"

    def wait_seconds(self) -> float | None:
        """How long until ``look`` has something to do by itself; None when nothing is due."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def stop(self) -> None:
        """Ask it to end, then wait, then end its whole group."""
        self._due = None
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.program.stop_seconds)
        self._pid_file.end_group(signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._pid_file.remove()


def _tie_to(supervisor: int) -> None:
    """Runs in the child before exec: end with the parent, hear every signal again."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != supervisor:
        os._exit(1)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
