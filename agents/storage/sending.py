"""Hands an instance's disk to the controller, for the host it moves to.

The disk is read once to learn its length and sha256, which are told first and
bind what follows, and once more to be sent in chunks, each a request of its
own: after a cut it goes on at the byte that the controller has.  Nothing here
changes the disk, and a guest that runs is refused, because its disk changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.dispatch import Task
from agents.errors import AgentError, from_os_error
from agents.ids import checked_id
from agents.storage import sparse
from agents.storage.trying import Trying
from agents.wire.commands import SendDisk

CHUNK = 4 << 20
# Of the progress told; reading is many times faster than sending.
MEASURING = 0.1


def send_disk(disk: Path, order: SendDisk, api: ControllerApi, task: Task) -> dict[str, Any]:
    """Raises AgentError transfer_cut, transfer_refused, controller_full or io."""
    checked_id(order.transfer_id)
    try:
        file = os.open(disk, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise from_os_error(error, "opening the instance's disk") from error
    try:
        measure = sparse.measure(file, lambda share: task.progress(share * MEASURING))
        if measure.length > order.max_bytes:
            raise AgentError(
                "transfer_refused",
                f"The disk takes {measure.length} bytes, more than {order.max_bytes}.",
            )
        _send(file, measure.length, order.transfer_id, api, task)
    except OSError as error:
        raise from_os_error(error, "reading the instance's disk") from error
    finally:
        os.close(file)
    return {"size": measure.length, "sha256": measure.digest.hexdigest()}


def _send(file: int, whole: int, transfer_id: str, api: ControllerApi, task: Task) -> None:
    trying = Trying(task)
    while True:
        try:
            done = api.received(transfer_id)
            if done > whole:
                raise AgentError("transfer_cut", "The controller has more than there is to send.")
            trying.at(done)
            for chunk in _chunks(sparse.stream(file, done)):
                done = api.send(transfer_id, done, chunk, whole)
                trying.at(done)
                task.progress(MEASURING + (1 - MEASURING) * done / whole)
            if done == whole:
                return
            raise AgentError("transfer_cut", "The disk changed while it was sent.", retryable=True)
        except Unreachable as error:
            trying.again(AgentError("transfer_cut", f"The disk could not be sent: {error}.", True))
        except Refused as error:
            if error.status == 507:
                raise AgentError(
                    "controller_full", "The controller's disk has no room for it.", True
                ) from error
            # 409: another byte is wanted next, as after an answer that was lost.
            trying.again(
                AgentError("transfer_cut", f"The controller does not take the disk: {error}.", True)
            )


def _chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    chunk = bytearray()
    for piece in pieces:
        chunk += piece
        if len(chunk) >= CHUNK:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
