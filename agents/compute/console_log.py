"""The serial log of a guest: its tail as text, and a ring that bounds it.

libvirt's virtlogd appends to ``console.log`` and, at a size set for the whole
host, renames it to ``console.log.0`` and so on.  The ring does not rely on
that setting: at every sweep a log over half the limit is copied to ``.0`` and
cut to nothing (virtlogd opens with O_APPEND, so it goes on at the new end),
and older pieces are removed; on a full disk they go first.  A guest can thus
keep at most LIMIT bytes here between two sweeps, plus what virtlogd itself allows.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from agents.errors import AgentError
from agents.storage import files

LIMIT = 1 << 20
HALF = LIMIT // 2


def read_tail(log: Path, max_bytes: int) -> str:
    """The last ``max_bytes`` as text: no NUL, invalid UTF-8 replaced."""
    wanted = max(0, min(max_bytes, LIMIT))
    data = b""
    for piece in (log, *_older(log)):
        if len(data) >= wanted:
            break
        data = _tail_of(piece, wanted - len(data)) + data
    return data.decode("utf-8", "replace").replace("\0", "")


def trim(log: Path) -> None:
    """Bring what the log takes on disk down to LIMIT bytes."""
    older = _older(log)
    for surplus in older[1:]:
        surplus.unlink(missing_ok=True)
    if older and older[0].stat().st_size > HALF:
        _shorten(older[0], older[0])
    if not files.is_plain(log) or log.stat().st_size <= HALF:
        return
    _shorten(log, _piece(log, 0))
    descriptor = os.open(log, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _shorten(log: Path, piece: Path) -> None:
    """Keep the end of ``log`` as ``piece``; on a full disk the older piece makes the room."""
    tail = _tail_of(log, HALF)
    try:
        files.write(piece, tail, 0o600)
    except AgentError as error:
        if error.code != "no_space" or not files.is_plain(piece):
            raise
        piece.unlink()
        files.write(piece, tail, 0o600)


def _older(log: Path) -> list[Path]:
    """Earlier pieces, newest first."""
    pattern = re.compile(re.escape(log.name) + r"\.(\d{1,3})")
    if not log.parent.is_dir():
        return []
    numbers = sorted(
        int(found.group(1))
        for item in log.parent.iterdir()
        if (found := pattern.fullmatch(item.name)) and files.is_plain(item)
    )
    return [_piece(log, number) for number in numbers]


def _piece(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def _tail_of(path: Path, size: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        file.seek(max(length - size, 0))
        return file.read(size)
