"""The store: one file per image, named by nothing but its id.

Files: ``<id>`` is an active image and never changes; ``<id>.part`` is an
unfinished upload or import; ``<id>.source`` remembers what an import must
match to go on.  No name from a user, an archive or a URL ever becomes a path,
symbolic links are refused, and files are 0640 in a 0750 folder whatever the
umask.  It knows no database.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from webcloud.errors import Busy, Conflict, NotFound, TooLarge, Unavailable
from webcloud.images.inspection import Inspection, inspect
from webcloud.words import say

FILE_MODE = 0o640
FOLDER_MODE = 0o750
BLOCK = 1024 * 1024
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RESERVE = 256 * BLOCK  # bytes of the disk that images never take

Progress = Callable[[float], None]


class UploadGone(Conflict):
    """The image was deleted while its bytes were arriving."""

    code = "upload_gone"


class WrongOffset(Conflict):
    """The chunk does not continue where the last one ended; ``expected`` is where it must."""

    code = "wrong_offset"

    def __init__(self, expected: int) -> None:
        super().__init__(
            say("The upload has {expected} bytes so far.", expected=expected),
            field="offset",
            next_step=say("Continue from byte {expected}.", expected=expected),
        )
        self.expected = expected


class StoreFull(Unavailable):
    """The disk that holds the images has no room."""

    code = "store_full"


@dataclass(frozen=True)
class Verified:
    """What was found out from all bytes of a file. ``size`` is in bytes."""

    size: int
    sha256: str
    sha512: str
    inspection: Inspection


class ImageStore:
    """The folder of images. Every method takes an image id and nothing else to name a file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, image_id: str) -> Path:
        """Where the bytes of an active image are. Raises NotFound for what is no id."""
        try:
            canonical = str(uuid.UUID(image_id)) == image_id
        except (ValueError, AttributeError, TypeError):
            canonical = False
        if not canonical:
            raise NotFound("No image has such an id.")
        return self.root / image_id

    def part(self, image_id: str) -> Path:
        """Where the bytes of an unfinished image are."""
        return self.path(image_id).with_name(f"{image_id}.part")

    def source(self, image_id: str) -> Path:
        """Where an import notes what it must match to go on."""
        return self.path(image_id).with_name(f"{image_id}.source")

    def has(self, image_id: str) -> bool:
        return _is_file(self.path(image_id))

    def received(self, image_id: str) -> int:
        """How many bytes of an unfinished image are there."""
        part = self.part(image_id)
        return part.stat(follow_symlinks=False).st_size if _is_file(part) else 0

    def append(
        self, image_id: str, offset: int, chunks: Iterable[bytes], limit: int, expected: int = 0
    ) -> int:
        """Write chunks at ``offset``, which must be the present end; returns the new end.

        What arrived before an interruption is kept.  Raises WrongOffset, Busy
        when another upload writes, TooLarge above ``limit`` bytes (everything
        received is dropped), StoreFull, and UploadGone when the image is
        deleted meanwhile.  ``expected`` is the whole size when it is known.
        """
        if expected > limit:
            raise _too_large(limit)
        with self.writing(image_id) as file:
            end = os.fstat(file).st_size
            if offset != end:
                raise WrongOffset(end)
            self._need_room(max(expected - end, 0))
            os.lseek(file, end, os.SEEK_SET)
            for chunk in chunks:
                end += len(chunk)
                if end > limit:
                    os.ftruncate(file, 0)
                    raise _too_large(limit)
                _write(file, chunk)
                if os.fstat(file).st_nlink == 0:
                    raise UploadGone("The image was deleted while it was uploaded.")
                self._need_room(0)
            return end

    @contextmanager
    def writing(self, image_id: str, *, create: bool = True) -> Iterator[int]:
        """The part file, open and locked against other writers.

        Raises Busy, and UploadGone when there is none that it may not create.
        """
        self._prepare()
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(self.part(image_id), flags | (os.O_CREAT if create else 0), FILE_MODE)
        except FileNotFoundError as error:
            raise UploadGone("The received bytes are no longer there.") from error
        except OSError as error:
            if error.errno in NO_ROOM:
                raise _full() from error
            raise _odd_file() from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise _odd_file()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _busy() from error
            # Who had the lock until now may have kept this file for good.
            status = os.fstat(file)
            if not _is_same(self.part(image_id), status):
                raise _busy()
            if not self._is_alone(image_id, status):
                raise _odd_file()
            yield file
        finally:
            os.close(file)

    def verify(
        self, image_id: str, declared: str, limit: int, progress: Progress = lambda share: None
    ) -> Verified:
        """Inspect the received bytes, then read them all once for their checksums.

        Raises ImageRefused.  ``progress`` gets numbers from 0 to 1.
        """
        path = self.part(image_id) if _is_file(self.part(image_id)) else self.path(image_id)
        inspection = inspect(path, declared, limit)
        size = path.stat().st_size
        digests = (hashlib.sha256(), hashlib.sha512())
        done, told = 0, time.monotonic()
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                for digest in digests:
                    digest.update(block)
                done += len(block)
                if time.monotonic() - told > 0.2:
                    told = time.monotonic()
                    progress(done / size)
        return Verified(size, digests[0].hexdigest(), digests[1].hexdigest(), inspection)

    def keep(self, image_id: str) -> None:
        """Make the part file the image, durably. Doing it twice is doing it once.

        Its name as a part, and with it the lock, stays until it is discarded.
        """
        part, path = self.part(image_id), self.path(image_id)
        if _is_file(part):
            with part.open("rb") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                os.fsync(file.fileno())
                if not _is_same(path, os.fstat(file.fileno())):
                    path.unlink(missing_ok=True)
                    _name_too(part, path)
            self._sync()
        elif not _is_file(path):
            raise UploadGone("The received bytes are no longer there.")
        self.source(image_id).unlink(missing_ok=True)

    def discard(self, image_id: str) -> None:
        """Drop what an unfinished upload or import has left."""
        self.part(image_id).unlink(missing_ok=True)
        self.source(image_id).unlink(missing_ok=True)

    def delete(self, image_id: str) -> None:
        """Drop every file of the image; absent files are fine."""
        self.discard(image_id)
        self.path(image_id).unlink(missing_ok=True)

    def _is_alone(self, image_id: str, part: os.stat_result) -> bool:
        """Whether the file has no name but these two of the image."""
        names = self.part(image_id), self.path(image_id)
        return part.st_nlink == sum(_is_same(name, part) for name in names)

    def unfinished(self) -> set[str]:
        """The ids of all that has a part file."""
        if not self.root.is_dir():
            return set()
        return {e.name.removesuffix(".part") for e in self.root.iterdir() if e.suffix == ".part"}

    def image_ids(self) -> set[str]:
        """The ids of all that has a file here, finished or not."""
        if not self.root.is_dir():
            return set()
        return {entry.name.split(".")[0] for entry in self.root.iterdir()}

    def sizes(self) -> dict[str, int]:
        """Image id to bytes on disk, of finished images only."""
        if not self.root.is_dir():
            return {}
        return {e.name: e.stat().st_size for e in self.root.iterdir() if "." not in e.name}

    def _prepare(self) -> None:
        if self.root.is_symlink():
            raise _odd_file()
        self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.root.chmod(FOLDER_MODE)

    def _need_room(self, wanted: int) -> None:
        if shutil.disk_usage(self.root).free - wanted < RESERVE:
            raise StoreFull("The disk for images is full.", retry_after=300)

    def _sync(self) -> None:
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _name_too(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # A disk without second names has this one instead; the lock ends with the other.
        part.rename(path)


def _write(file: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _full() from error
        raise


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_same(path: Path, status: os.stat_result) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)


def _busy() -> Busy:
    return Busy(
        "Another upload of this image is under way.",
        next_step="Wait until it has ended, or delete the image.",
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        say("The image is larger than {limit} bytes, the most that may be stored.", limit=limit),
        next_step="Shrink it (qemu-img convert -c), or have image_max_gb raised.",
    )


def _full() -> StoreFull:
    return StoreFull("The disk for images is full.", retry_after=300)


def _odd_file() -> Unavailable:
    return Unavailable("The image store is damaged: a file in it is not what it should be.")
