"""A little room on the host's disk, held back for taking things away.

On a full disk nothing can be written into the journal, so nothing is begun,
and nobody could delete what fills it.  A file holds this much back; it is
removed when a command that takes something away finds the disk full, and made
again when there is room.
"""

from __future__ import annotations

import os
from pathlib import Path

from agents.storage import files

SIZE = 1 << 20  # bytes: the journal and a list of leases need a small part of it


class Reserve:
    """One file, of SIZE bytes that are really on the disk, or absent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self) -> None:
        """Have the room held back. Raises OSError while there is none, AgentError for a link."""
        if files.is_plain(self._path):
            return
        with files.replacing(self._path, 0o600) as descriptor:
            os.posix_fallocate(descriptor, 0, SIZE)

    def give(self) -> bool:
        """Give the room back to the disk; False when it was given before."""
        held = files.is_plain(self._path)
        self._path.unlink(missing_ok=True)
        return held
