"""Is there room on this host's disk for what is about to arrive?

Images and moved disks share the filesystem with the disks of running guests,
which QEMU stops the moment it is full.  So nothing large is begun that would
take the last of it, and the room is looked at again while it arrives.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from agents.errors import AgentError

log = logging.getLogger(__name__)

RESERVE = 256 << 20  # bytes that what arrives never takes
BETWEEN_LOOKS = 32 << 20  # bytes that may arrive before the room is looked at again


def check(place: int | Path, wanted: int, refusal: str) -> None:
    """Raises AgentError ``no_space`` unless ``wanted`` bytes leave RESERVE free.

    ``place`` is a path or a descriptor on the filesystem; ``refusal`` is the
    error's sentence, the numbers are in the log.
    """
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free - wanted < RESERVE:
        log.warning(
            "%d MB are wanted on a disk that has %d MB free and keeps %d MB for running guests",
            *(-(-wanted >> 20), free >> 20, RESERVE >> 20),
        )
        raise AgentError("no_space", refusal, retryable=True)
