"""``make setup`` a second time, ``make help``, and setup without the right to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "date", "dirname", "grep", "ls", "mkdir", "sha256sum")


def test_a_second_setup_finds_everything_done() -> None:
    subprocess.run(["sh", "scripts/setup.sh", "dev"], cwd=CHECKOUT, check=True)
    began = time.monotonic()
    done = subprocess.run(
        ["sh", "scripts/setup.sh", "dev"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert time.monotonic() - began < 10
    assert done.stdout.split(None, 2)[2] == "ready\n"


def test_make_help_lists_every_target_with_its_meaning() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for target in ("setup", "run", "test", "check", "bench", "screenshots"):
        assert f"make {target} " in done.stdout


def test_setup_without_root_says_what_root_must_run(tmp_path: Path) -> None:
    path = _machine_without_packages(tmp_path, user=65534)
    done = _set_up(path)
    assert done.returncode == 1
    assert "Run as root: apt-get update && apt-get install" in done.stderr
    assert "qemu-system-x86" in done.stderr
    assert not (tmp_path / "apt-get.ran").exists()


def test_setup_as_root_installs_what_is_missing_and_stops_when_that_fails(tmp_path: Path) -> None:
    path = _machine_without_packages(tmp_path, user=0)
    done = _set_up(path)
    assert done.returncode == 1
    assert "installing packages: qemu-system-x86" in done.stdout
    assert "apt-get update failed" in done.stderr


def _set_up(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/setup.sh"],
        cwd=CHECKOUT, env={**os.environ, "PATH": str(path)},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def _machine_without_packages(tmp_path: Path, user: int) -> Path:
    """A PATH where no package is installed, apt-get fails and the user is ``user``."""
    path = tmp_path / "bin"
    path.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (path / tool).symlink_to(found)
    for name, body in {
        "dpkg-query": "exit 1",
        "id": f"echo {user}",
        "apt-get": f"touch {tmp_path}/apt-get.ran; exit 100",
    }.items():
        (path / name).write_text(f"#!/bin/sh\n{body}\n")
        (path / name).chmod(0o755)
    return path
