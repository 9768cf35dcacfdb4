"""The key that signs the form cookie: made once, kept in a file only we can read.

It protects CSRF tokens and nothing else; losing it only makes open forms stale.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def load(directory: Path) -> str:
    """The key in ``directory/secret_key``, made (mode 0600) if it is not there yet."""
    path = directory / "secret_key"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(path)
    return path.read_text(encoding="ascii").strip()


def _make(path: Path) -> None:
    """Write a whole key beside the path and link it there: the first of several wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
