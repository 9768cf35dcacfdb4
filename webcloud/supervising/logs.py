"""The children's logs: bounded in size, and shown in the terminal when asked.

Children append to their files themselves, so nothing is lost and nobody
blocks when the supervisor is gone.  A file over the limit is copied to
``.1`` and emptied in place, because its writer keeps it open.  On a full disk it
stays as it is until there is room.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

LIMIT = 10 * 1024 * 1024  # bytes in one log
KEPT = 3


def appending(path: Path) -> BinaryIO:
    """A log, open for appending; for its owner and group only, whatever the umask."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    os.fchmod(descriptor, 0o640)
    return os.fdopen(descriptor, "ab")


class Logs:
    """The logs of one directory; ``echoing`` also copies what is new to the terminal."""

    def __init__(self, directory: Path, *, echoing: bool, limit: int = LIMIT) -> None:
        self.echoing = echoing
        self._directory = directory
        self._limit = limit
        self._shown = {path: path.stat().st_size for path in self._files()}

    def rotate(self) -> list[str]:
        """Bring every log under the limit; what to say of those that could not be moved."""
        troubles = []
        for path in self._files():
            part = path.with_name(f"{path.name}.part")
            try:
                if path.stat().st_size > self._limit:
                    _move_aside(path, part)
            except OSError as error:
                part.unlink(missing_ok=True)
                troubles.append(f"{path} is full and cannot be moved aside: {error.strerror}")
        return troubles

    def echo(self) -> None:
        """Write what was appended since the last call to the terminal."""
        if not self.echoing:
            return
        for path in self._files():
            size = path.stat().st_size
            start = min(self._shown.get(path, 0), size)
            if size > start:
                with path.open("rb") as file:
                    file.seek(start)
                    lines = file.read(size - start).decode(errors="replace").splitlines()
                for line in lines:
                    sys.stdout.write(f"{path.stem}: {line}\n")
                sys.stdout.flush()
            self._shown[path] = size

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("*.log"))


def _move_aside(path: Path, part: Path) -> None:
    """Copy the log before any older one moves: a copy that fails costs only the oldest."""
    path.with_name(f"{path.name}.{KEPT}").unlink(missing_ok=True)
    shutil.copyfile(path, part)
    part.chmod(0o640)
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    part.replace(path.with_name(f"{path.name}.1"))
    with path.open("r+b") as file:
        file.truncate(0)
