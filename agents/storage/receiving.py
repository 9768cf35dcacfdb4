"""Takes in the disk of an instance that moves to this host.

What arrives is written to ``disk.part`` and hashed on its way; it becomes the
disk only when the sha256 is right and the header names no other file than
this host's own copy of the image.  The sending host is not trusted: no other
program sees the file before.  A disk that is here already is never replaced,
and a host that loses power afterwards still has it.
"""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from typing import Any

from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.dispatch import Task
from agents.errors import AgentError, Superseded, from_os_error
from agents.ids import checked_id
from agents.storage import files, header, room, sparse
from agents.storage.disks import BASE, DISK, InstanceFiles
from agents.storage.images import ImageCache
from agents.storage.trying import Trying
from agents.wire.commands import ReceiveDisk

READ = 1 << 20
NO_ROOM = "The host's disk has no room for the instance's."
RECEIVED = "received"  # the transfer that the disk came with


def receive_disk(
    instances: InstanceFiles, images: ImageCache, order: ReceiveDisk, api: ControllerApi, task: Task
) -> dict[str, Any]:
    """Raises AgentError image_missing, no_space or one of the ``transfer_`` codes."""
    checked_id(order.transfer_id)
    folder = instances.ensure_folder(order.instance_id)
    if files.is_plain(folder / DISK):
        if (files.read_text(folder / RECEIVED) or "") == order.transfer_id:
            return {}
        raise AgentError("transfer_refused", "The instance has a disk on this host already.")
    image = images.get(order.image_id)
    if image.disk_format != order.disk_format:
        raise AgentError("image_refused", "The image is not of the format that the command says.")
    # Written first: from here on the cache keeps the image.
    files.write(folder / BASE, order.image_id.encode())
    part = folder / f"{DISK}.part"
    try:
        _complete(part, order, api, task)
        _inspect(part, order, instances.backing_of(image))
        files.write(folder / RECEIVED, order.transfer_id.encode())
        part.chmod(0o640)
        files.put_in_place(part, folder / DISK)
    except (Superseded, AgentError) as error:
        # Only what was cut off is of use to another attempt.
        if isinstance(error, Superseded) or error.code != "transfer_cut":
            files.remove_part(part)
        raise
    except OSError as error:
        files.remove_part(part)
        raise from_os_error(error, "storing the disk") from error
    return {}


def _complete(part: Path, order: ReceiveDisk, api: ControllerApi, task: Task) -> None:
    """Have all that was sent in the part file, going on with what is there of it."""
    if files.is_plain(part):
        try:
            if _fetch(part, order, api, task):
                return
        except AgentError as error:
            if error.code != "transfer_corrupt":
                raise
        # What an earlier attempt left may be to blame, so begin anew.
    os.close(files.create_part(part, 0o600))
    if not _fetch(part, order, api, task):
        raise AgentError("transfer_corrupt", "The disk that arrived is not the one that was sent.")


def _fetch(part: Path, order: ReceiveDisk, api: ControllerApi, task: Task) -> bool:
    """Whether the part file is now what was sent, byte for byte and on the platter."""
    file = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = sparse.arrived(file)
        if found.length > order.size:
            return False
        room.check(file, order.size - found.length, NO_ROOM)
        writer = sparse.Writer(file, longest(order.disk_size))
        _download(writer, found, order, api, task)
        os.fsync(file)
    finally:
        os.close(file)
    return writer.complete and found.digest.hexdigest() == order.sha256


def _download(
    writer: sparse.Writer, found: sparse.Measure, order: ReceiveDisk, api: ControllerApi, task: Task
) -> None:
    trying, done = Trying(task), found.length
    while done < order.size:
        trying.at(done)
        try:
            response, from_offset = api.transfer(order.transfer_id, done)
            with response:
                skip = 0 if from_offset else done
                while data := response.read(READ):
                    fresh = data[skip:][: order.size - done]
                    skip = max(skip - len(data), 0)
                    writer.write(fresh)
                    found.digest.update(fresh)
                    done += len(fresh)
                    trying.at(done)
                    task.progress(done / order.size)
        except Refused as error:
            trying.again(
                AgentError("transfer_cut", f"The controller does not give the disk: {error}.", True)
            )
        except (Unreachable, TimeoutError, ConnectionError, http.client.HTTPException):
            trying.again(AgentError("transfer_cut", "The disk's transfer was cut off.", True))
        else:
            if done < order.size:
                trying.again(AgentError("transfer_cut", "The disk's transfer was cut off.", True))


def longest(disk_size: int) -> int:
    """The most bytes that a qcow2 of this virtual size takes: a little for its tables."""
    return disk_size + disk_size // 64 + (64 << 20)


def _inspect(part: Path, order: ReceiveDisk, backing: tuple[str, str]) -> None:
    try:
        header.inspect_disk(part, order.disk_size, *backing)
    except AgentError as error:
        raise AgentError("transfer_refused", f"The disk is refused. {error}") from error
