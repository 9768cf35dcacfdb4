"""The host's cache of images.

An image comes in over HTTP to ``<id>.part``, is resumed where an earlier
attempt stopped, hashed while it streams, and gets its own name only when the
sha256 and the header are right.  It never changes afterwards.  One download
per image at a time, whatever asks for it; an image that a disk on this host
depends on is kept.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import stat
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.errors import AgentError, Superseded, from_os_error
from agents.ids import checked_id, is_id
from agents.storage import files, header, room
from agents.wire.commands import EnsureImage

CHUNK = 1 << 20
KEEP_PART_SECONDS = 3600
NO_ROOM = "The host's disk has no room for the image."


@dataclass(frozen=True)
class CachedImage:
    """``virtual_size`` in bytes."""

    path: Path
    disk_format: str
    virtual_size: int


class ImageCache:
    """``on_change`` is called when an image came or went."""

    def __init__(
        self, folder: Path, instances: Path, api: ControllerApi, on_change: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._instances = instances
        self._api = api
        self._on_change = on_change
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def ensure(self, wanted: EnsureImage, progress: Callable[[float], None]) -> dict[str, Any]:
        """Have the image; ``progress`` gets 0..1. Raises AgentError."""
        path = self._folder / checked_id(wanted.image_id)
        files.ensure_folder(self._folder)
        with self._locks[wanted.image_id]:
            if self._facts(wanted.image_id).get("sha256") == wanted.sha256 and files.is_plain(path):
                return {}
            try:
                resumed = self._download(wanted, progress)
                if resumed == "corrupt":
                    # What an earlier attempt left may be to blame, so begin anew once.
                    resumed = self._download(wanted, progress)
            except Superseded:
                # Nobody asked for it any more, so nobody would take half an image away.
                files.remove_part(self._part(wanted.image_id))
                raise
            if resumed:
                raise AgentError(
                    "image_corrupt",
                    "The image that arrived does not have the promised sha256.",
                    retryable=True,
                )
        self._on_change()
        return {}

    def ensure_absent(self, image_id: str) -> dict[str, Any]:
        """Drop the image; ``{"kept": true}`` when a disk still depends on it."""
        path = self._folder / checked_id(image_id)
        with self._locks[image_id]:
            if image_id in self._depended_on():
                return {"kept": True}
            for name in (path, self._facts_file(image_id), self._part(image_id)):
                name.unlink(missing_ok=True)
        self._on_change()
        return {}

    def get(self, image_id: str) -> CachedImage:
        """Raises AgentError ``image_missing``."""
        path = self._folder / checked_id(image_id)
        facts = self._facts(image_id)
        if not facts or not files.is_plain(path):
            raise AgentError("image_missing", "The image is not in this host's cache.", True)
        return CachedImage(path, str(facts["disk_format"]), int(facts["virtual_size"]))

    def cached(self) -> tuple[str, ...]:
        """Ids of the images that are complete."""
        if not self._folder.is_dir():
            return ()
        return tuple(sorted(item.name for item in self._folder.iterdir() if is_id(item.name)))

    def strays(self) -> tuple[str, ...]:
        """Names in the cache that belong to no image; a part that may be resumed is no stray."""
        if not self._folder.is_dir():
            return ()
        complete = set(self.cached())
        return tuple(
            f"images/{item.name}"
            for item in sorted(self._folder.iterdir())
            if item.name.removesuffix(".json") not in complete and not _resumable(item)
        )

    def forget_parts(self) -> None:
        """Remove what attempts that were given up long ago left of an image."""
        if not self._folder.is_dir():
            return
        for part in self._folder.glob("*.part"):
            lock = self._locks[part.stem]
            if not lock.acquire(blocking=False):
                continue
            try:
                if files.is_plain(part) and not _resumable(part):
                    part.unlink(missing_ok=True)
            finally:
                lock.release()

    def _download(self, wanted: EnsureImage, progress: Callable[[float], None]) -> str:
        """Empty when the image is in place, ``corrupt`` after a resume, else ``wrong``."""
        part = self._part(wanted.image_id)
        try:
            digest, offset = self._begin(part, wanted.size)
            started_at = offset
            if offset < wanted.size:
                room.check(self._folder, wanted.size - offset, NO_ROOM)
                offset = self._fetch(wanted, part, digest, offset, progress)
            if offset != wanted.size or digest.hexdigest() != wanted.sha256:
                files.remove_part(part)
                return "corrupt" if started_at else "wrong"
            self._accept(wanted, part)
        except AgentError as error:
            _give_room_back(part, error)
            raise
        except OSError as error:
            failure = from_os_error(error, "storing the image")
            _give_room_back(part, failure)
            raise failure from error
        return ""

    def _begin(self, part: Path, size: int) -> tuple[Any, int]:
        """The hash and length of what an earlier attempt left, if it is of use."""
        digest = hashlib.sha256()
        if not files.is_plain(part) or part.stat().st_size > size:
            os.close(files.create_part(part, 0o640))
            return digest, 0
        offset = 0
        with part.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                offset += len(chunk)
        return digest, offset

    def _fetch(
        self,
        wanted: EnsureImage,
        part: Path,
        digest: Any,
        offset: int,
        progress: Callable[[float], None],
    ) -> int:
        """Append the rest; returns the length reached. A cut connection is retryable."""
        try:
            response, from_offset = self._api.image(wanted.image_id, offset)
        except Refused as error:
            raise AgentError(
                "image_missing", f"The controller does not give the image: {error}.", True
            ) from error
        except Unreachable as error:
            raise AgentError("io", f"The image could not be fetched: {error}.", True) from error
        descriptor = os.open(part, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        with response, os.fdopen(descriptor, "wb") as file:
            skip, look_at = 0 if from_offset else offset, offset + room.BETWEEN_LOOKS
            while chunk := _read(response):
                skipped = chunk[skip:]
                skip = max(skip - len(chunk), 0)
                if offset + len(skipped) > wanted.size:
                    return wanted.size + 1
                file.write(skipped)
                digest.update(skipped)
                offset += len(skipped)
                if offset >= look_at:
                    look_at = offset + room.BETWEEN_LOOKS
                    room.check(descriptor, wanted.size - offset, NO_ROOM)
                progress(offset / max(wanted.size, 1))
            file.flush()
            os.fsync(file.fileno())
        if offset < wanted.size:
            raise AgentError("io", "The image's transfer was cut off.", retryable=True)
        return offset

    def _accept(self, wanted: EnsureImage, part: Path) -> None:
        try:
            judged = header.inspect(part, wanted.disk_format)
        except AgentError:
            files.remove_part(part)
            raise
        facts = {
            "sha256": wanted.sha256,
            "disk_format": judged.disk_format,
            "virtual_size": judged.virtual_size,
        }
        os.chown(part, -1, files.qemu_group())
        files.write(self._facts_file(wanted.image_id), json.dumps(facts).encode())
        part.rename(self._folder / wanted.image_id)

    def _facts(self, image_id: str) -> dict[str, Any]:
        text = files.read_text(self._facts_file(image_id))
        if text is None:
            return {}
        facts = json.loads(text)
        return facts if isinstance(facts, dict) else {}

    def _depended_on(self) -> set[str]:
        if not self._instances.is_dir():
            return set()
        found = (files.read_text(item / "base") for item in self._instances.iterdir())
        return {text.strip() for text in found if text}

    def _facts_file(self, image_id: str) -> Path:
        return self._folder / f"{image_id}.json"

    def _part(self, image_id: str) -> Path:
        return self._folder / f"{image_id}.part"


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise AgentError("io", "The image's transfer was cut off.", retryable=True) from error


def _give_room_back(part: Path, failure: AgentError) -> None:
    """On a full disk running guests need the room more than a later attempt half an image."""
    if failure.code == "no_space":
        part.unlink(missing_ok=True)


def _resumable(path: Path) -> bool:
    """Whether this came of a download that goes on, was cut short lately, or has just ended."""
    if path.suffix != ".part":
        return False
    try:
        found = path.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime <= KEEP_PART_SECONDS
