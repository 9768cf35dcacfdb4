"""Disks on their way from one host to another: one file per transfer, for as long as it lasts.

Hosts dial in and reach no other host, so a disk comes here from the one and
goes to the other.  A transfer has the id of the operation that moves the
disk; its file is removed when the disk has arrived, when the operation is
undone, and by a sweep.  Bytes are appended at a checked offset, never more
than were announced, and never the last room on the controller's disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from webcloud.conductor.models import OperationRow
from webcloud.config import Config
from webcloud.db import Database
from webcloud.errors import BadRequest, Conflict, NotFound, WebcloudError
from webcloud.words import say

FILE_MODE, FOLDER_MODE = 0o600, 0o700
RESERVE = 256 * 1024 * 1024  # bytes of the disk that transfers never take


class WrongOffset(Conflict):
    """The bytes do not continue where the last ones ended."""

    code = "wrong_offset"


class SpoolFull(WebcloudError):
    """The controller's disk has no room for a disk on its way."""

    status = 507
    code = "controller_full"


class Transfers:
    """The folder of transfers. Every method takes a transfer's id and nothing else as a name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, transfer_id: str) -> Path:
        """Where its bytes are. Raises NotFound for what is no id."""
        try:
            canonical = str(uuid.UUID(transfer_id)) == transfer_id
        except ValueError:
            canonical = False
        if not canonical:
            raise NotFound("No transfer has such an id.")
        return self.root / transfer_id

    def received(self, transfer_id: str) -> int:
        """How many bytes have come so far."""
        try:
            status = self.path(transfer_id).lstat()
        except FileNotFoundError:
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def append(self, transfer_id: str, offset: int, chunks: Iterable[bytes], whole: int) -> int:
        """Add bytes at ``offset``, which must be the present end; returns the new end.

        What arrived before an interruption is kept.  Raises WrongOffset, also
        when another request writes, BadRequest beyond ``whole`` bytes, SpoolFull.
        """
        self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self.path(transfer_id), flags, FILE_MODE)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise WrongOffset("Another request sends these bytes.") from error
            end = os.fstat(file).st_size
            if offset != end:
                raise WrongOffset(say("The transfer has {received} bytes so far.", received=end))
            if shutil.disk_usage(self.root).free - (whole - end) < RESERVE:
                raise _full()
            os.lseek(file, end, os.SEEK_SET)
            for chunk in chunks:
                if end + len(chunk) > whole:
                    raise BadRequest("More bytes came than were announced.")
                end += _write(file, chunk)
            return end
        finally:
            os.close(file)

    def remove(self, transfer_id: str) -> None:
        """Drop its bytes; doing it twice is doing it once."""
        self.path(transfer_id).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Everything that lies in the folder."""
        return sorted(each.name for each in self.root.iterdir()) if self.root.is_dir() else []


_current: list[Transfers] = []


def configure(config: Config) -> None:
    """Set where this process keeps transfers; operations know no web application."""
    _current[:] = [Transfers(config.transfer_dir)]


def current() -> Transfers:
    """Raises LookupError before ``configure``."""
    if not _current:
        raise LookupError("the place of transfers is not configured in this process")
    return _current[0]


def sweep(database: Database) -> None:
    """Remove what belongs to no unfinished operation, as after a kill at the wrong moment."""
    here = current()
    # Files first: what begins meanwhile is not in this list.
    names = here.names()
    if not names:
        return
    with database.reading() as session:
        wanted = set(
            session.scalars(
                select(OperationRow.id).where(
                    OperationRow.id.in_(names), OperationRow.finished_at.is_(None)
                )
            )
        )
    for name in names:
        if name not in wanted:
            (here.root / name).unlink(missing_ok=True)


def _write(file: int, chunk: bytes) -> int:
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full() from error
        raise
    return len(chunk)


def _full() -> SpoolFull:
    return SpoolFull(
        "The controller's disk has no room for a disk on its way to another host.",
        next_step="Make room on the disk that holds the state directory, then move it again.",
    )
