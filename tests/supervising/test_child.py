"""A program under the supervisor, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
from pathlib import Path
from webcloud.supervising.child import Child
from webcloud.supervising.programs import Program
from webcloud.supervising.takeover import PidFile

base = Path(sys.argv[1])
child = Child(Program("sleeper", ("sleep", "60"), {}, base / "log"), PidFile(base / "pid"))
child.start()
time.sleep(0.5)
print(os.getpid() == 1, child.running)
child.stop()
"""


@pytest.mark.parametrize("first", [False, True])
def test_a_program_runs_also_below_the_first_process_of_a_container(
    first: bool, tmp_path: Path
) -> None:
    """There its parent is number 1, as for one whose supervisor has died elsewhere."""
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    if first:
        argv = ["unshare", "--pid", "--fork", "--mount-proc", *argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.split() == [str(first), "True"], done.stderr
