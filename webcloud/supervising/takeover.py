"""One supervisor per state directory, and the end of what a dead one left behind.

A lock on the state directory is held for life; the kernel drops it with the
process.  Pid files carry the process's start time, so a number that was given
to somebody else since is never signalled.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from webcloud.supervising.checks import CannotStart

GRACE_SECONDS = 8.0


def lock(state: Path) -> int:
    """The descriptor of the lock; raises CannotStart when another supervisor has it."""
    state.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(
            state / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except PermissionError as error:
        raise CannotStart(
            f"The state directory {state} belongs to somebody else.",
            next_step="Choose another with --state, or run as its owner.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
        os.close(descriptor)
        raise CannotStart(
            f"webcloud already runs on {state} (process {holder}).",
            next_step="Stop it with Ctrl-C, or choose another --state directory.",
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


@dataclass(frozen=True)
class PidFile:
    """Remembers one child's group leader beyond the supervisor's own life."""

    path: Path

    def write(self, pid: int) -> None:
        part = self.path.with_suffix(".new")
        part.write_text(f"{pid} {_start_time(pid) or 0}\n", encoding="ascii")
        part.replace(self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def members(self) -> list[int]:
        """Living processes of the group, none of them if the number was reused."""
        try:
            leader, born = (int(word) for word in self.path.read_text(encoding="ascii").split())
        except (FileNotFoundError, ValueError):
            return []
        present = _start_time(leader)
        if present is not None and present != born:
            return []
        return [pid for pid in _all_pids() if _group_and_state(pid) == (leader, True)]

    def end_group(self, number: signal.Signals) -> None:
        """Signal every living member of the group."""
        for pid in self.members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def end_stale(pid_directory: Path) -> list[str]:
    """End children of an earlier supervisor; the names of those that were found."""
    files = [PidFile(path) for path in sorted(pid_directory.glob("*.pid"))]
    alive = [file for file in files if file.members()]
    for file in alive:
        file.end_group(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(file.members() for file in alive) and time.monotonic() < deadline:
        time.sleep(0.05)
    for file in files:
        file.end_group(signal.SIGKILL)
        while file.members():
            time.sleep(0.01)
        file.remove()
    return [file.path.stem for file in alive]


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name; field 0 is the state (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def _start_time(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def _group_and_state(pid: int) -> tuple[int, bool] | None:
    """The process group, and whether the process still runs (a zombie does not)."""
    fields = _stat(pid)
    return (int(fields[2]), fields[0] not in "ZX") if fields else None
