"""Files that cannot be used: what a host whose disk or descriptors run out sees.

An audit hook of the interpreter is asked before every file is opened, made,
renamed, removed or given rights, and before a program is started.  While a
``FileFaults`` is on, it counts the touches inside its folder and lets ``fault``
raise at any of them, whichever library of the agent makes it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EVENTS = frozenset(
    {
        *("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown"),
        *("os.listdir", "os.scandir", "shutil.rmtree", "subprocess.Popen"),
    }
)


class FileFaults:
    """``fault(number)`` is called with 1, 2, ... for each touch and may raise."""

    def __init__(self, folder: Path, fault: Callable[[int], None], writes_only: bool) -> None:
        self._folder = str(folder)
        self._fault = fault
        self._writes_only = writes_only
        self.touches = 0

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            inside = any(self._folder in str(word) for word in arguments[1])
        else:
            inside = str(arguments[0]).startswith(self._folder)
        if inside and not (self._writes_only and _only_reads(event, arguments)):
            self.touches += 1
            self._fault(self.touches)


def _only_reads(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return not arguments[2] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
    return event not in ("os.mkdir", "os.rename", "subprocess.Popen")


_active: list[FileFaults] = []
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    # A hook stays for the life of the interpreter, so it must cost nothing at rest.
    if _active and event in EVENTS:
        for faults in list(_active):
            faults.look(event, arguments)


@contextmanager
def file_faults(
    folder: Path, fault: Callable[[int], None], *, writes_only: bool = False
) -> Iterator[FileFaults]:
    """For a while every touch of a file below ``folder`` asks ``fault`` first.

    ``writes_only`` leaves out what needs no room on the disk.
    """
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    faults = FileFaults(folder, fault, writes_only)
    _active.append(faults)
    try:
        yield faults
    finally:
        _active.remove(faults)


def error(name: str) -> OSError:
    """The error of this name, such as ``ENOSPC``, as the kernel words it."""
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))
