"""How to name our own command in a message, so that it can be pasted as it is.

A checkout has it in ``.venv/bin``, which is on nobody's PATH.  Nothing is
installed or linked anywhere to change that.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def typed(arguments: str) -> str:
    """``webcloud`` when the reader's shell finds this very one, else its whole path."""
    command = Path(sys.executable).with_name("webcloud")
    on_path = shutil.which("webcloud")
    if on_path is not None and Path(on_path).resolve() == command.resolve():
        return f"webcloud {arguments}"
    return f"{shlex.quote(str(command))} {arguments}"
