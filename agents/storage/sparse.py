"""A disk file as a stream of its contents, without its holes.

The file is cut into blocks of BLOCK bytes.  Each block that is not all zeros
becomes one record: its offset (8 bytes), its length (4 bytes), big-endian, and
its bytes; the last record has the file's size as its offset and the length 0.
The stream depends on the contents alone, never on how a file system lays them
out, so it can be made again from any point, and what has arrived of it can be
told from the file it was written to.  ``Writer`` trusts nothing it is sent.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from agents.errors import AgentError

BLOCK = 1 << 16
RECORD = struct.Struct(">QI")
_ZEROS = bytes(BLOCK)

Look = Callable[[float], None]


@dataclass(frozen=True)
class Measure:
    """``length`` of the stream in bytes; ``digest`` is a sha256 of it, still open."""

    length: int
    digest: Any


def stream(file: int, begin: int = 0, look: Look = lambda _share: None) -> Iterator[bytes]:
    """The stream of an open file from byte ``begin`` on, in pieces of at most a record.

    ``look`` is called with how much of the file has been read, 0..1.
    """
    size = os.fstat(file).st_size
    for piece in chain(_records(file, size, look), (RECORD.pack(size, 0),)):
        if begin < len(piece):
            yield piece[begin:] if begin else piece
        begin = max(begin - len(piece), 0)


def measure(file: int, look: Look = lambda _share: None) -> Measure:
    """The whole stream's length and sha256."""
    length, digest = 0, hashlib.sha256()
    for piece in stream(file, look=look):
        digest.update(piece)
        length += len(piece)
    return Measure(length, digest)


def arrived(file: int) -> Measure:
    """How much of a stream an unfinished file holds; a block that is cut off is dropped."""
    size = os.fstat(file).st_size // BLOCK * BLOCK
    os.ftruncate(file, size)
    length, digest = 0, hashlib.sha256()
    for piece in _records(file, size, lambda _share: None):
        digest.update(piece)
        length += len(piece)
    return Measure(length, digest)


def _records(file: int, size: int, look: Look) -> Iterator[bytes]:
    position = 0
    while (position := _next_data(file, position)) < size:
        look(position / size)
        data = os.pread(file, BLOCK, position)
        if data != _ZEROS[: len(data)]:
            yield RECORD.pack(position, len(data)) + data
        position += BLOCK


def _next_data(file: int, position: int) -> int:
    """The block that holds the next byte which is not in a hole; past the end if there is none."""
    try:
        return os.lseek(file, position, os.SEEK_DATA) // BLOCK * BLOCK
    except OSError as error:
        if error.errno == errno.ENXIO:
            return 1 << 62
        raise


class Writer:
    """Puts a stream into an open file, which may hold the beginning of it already.

    ``limit`` is the largest size the file may get.  A record that overlaps an
    earlier one, lies beyond the limit, is longer than a block or follows the
    last one is refused with AgentError ``transfer_corrupt``.
    """

    def __init__(self, file: int, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._pending = bytearray()
        self._end = os.fstat(file).st_size
        self.complete = False

    def write(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._pending += data
        at = 0
        while len(self._pending) - at >= RECORD.size:
            offset, length = RECORD.unpack_from(self._pending, at)
            self._check(offset, length)
            if len(self._pending) - at < RECORD.size + length:
                break
            at += RECORD.size
            if length:
                self._put(offset, self._pending[at : at + length])
            else:
                os.ftruncate(self._file, offset)
                self.complete = True
            at += length
        del self._pending[:at]
        if self.complete and self._pending:
            raise _corrupt("it goes on after its end")

    def _check(self, offset: int, length: int) -> None:
        if self.complete:
            raise _corrupt("it goes on after its end")
        if offset < self._end or offset + length > self._limit:
            raise _corrupt("a block lies where none may be")
        if length > BLOCK or (length and offset % BLOCK):
            raise _corrupt("a block has the wrong size or place")

    def _put(self, offset: int, data: bytearray) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, offset)
            offset, view = offset + written, view[written:]
        self._end = offset


def _corrupt(why: str) -> AgentError:
    return AgentError("transfer_corrupt", f"What arrived is not a disk: {why}.")
