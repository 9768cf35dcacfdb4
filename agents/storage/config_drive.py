"""The config drive: a small ISO 9660 disc with the label ``config-2``.

Guests find instance data in it without a network.  Joliet and Rock Ridge
carry the real names, the ISO names are only numbers.  The disc holds what the
controller sent and nothing of the host.  Format: OpenStack config drive 2.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Any

from agents.errors import AgentError, from_os_error
from agents.storage import files

MAX_BYTES = 64 << 20
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def write_config_drive(path: Path, contents: dict[str, str]) -> None:
    """``contents`` maps a path to base64. Raises AgentError bad_command, no_space, io."""
    decoded = {_checked_path(name): _bytes_of(value) for name, value in contents.items()}
    if sum(len(value) for value in decoded.values()) > MAX_BYTES:
        raise AgentError("bad_command", "the config drive is too large")
    disc = _disc(decoded)
    try:
        with (
            files.replacing(path, 0o640) as descriptor,
            os.fdopen(os.dup(descriptor), "w+b") as file,
        ):
            disc.write_fp(file)
    except OSError as error:
        raise from_os_error(error, "writing the config drive") from error
    finally:
        disc.close()


def _disc(contents: dict[str, bytes]) -> Any:
    import io

    import pycdlib

    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, vol_ident="config-2", joliet=3, rock_ridge="1.09")
    folders = {"": ""}
    for number, (name, content) in enumerate(sorted(contents.items())):
        *parents, leaf = name.split("/")
        here = ""
        for parent in parents:
            deeper = f"{here}/{parent}"
            if deeper not in folders:
                folders[deeper] = f"{folders[here]}/D{len(folders):07d}"
                disc.add_directory(folders[deeper], rr_name=parent, joliet_path=deeper)
            here = deeper
        disc.add_fp(
            io.BytesIO(content),
            len(content),
            f"{folders[here]}/F{number:07d}.;1",
            rr_name=leaf,
            joliet_path=f"{here}/{leaf}",
        )
    return disc


def _checked_path(name: str) -> str:
    parts = name.split("/")
    if len(parts) > 6 or not all(_PART.fullmatch(part) for part in parts):
        raise AgentError("bad_command", "a path in the config drive is not allowed")
    return name


def _bytes_of(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error) as error:
        raise AgentError("bad_command", "a file in the config drive is not base64") from error
