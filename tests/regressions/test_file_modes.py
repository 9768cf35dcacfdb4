"""What is written below the state directory is for its owner and group only."""

from __future__ import annotations

import os
from pathlib import Path

from webcloud.supervising.logs import appending


def test_sec_S17_a_log_is_not_for_everybody_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        for _ in range(2):
            with appending(tmp_path / "a.log") as log:
                log.write(b"line\n")
    finally:
        os.umask(old)
    assert (tmp_path / "a.log").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a.log").read_bytes() == b"line\nline\n"
