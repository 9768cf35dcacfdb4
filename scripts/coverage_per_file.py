"""Fails when a file is covered less than it must be; prints those files and their lines.

Read from ``coverage json``. What decides about money, access or data (the
conductor, permissions, quotas, placement, image inspection, the wire) is
covered wholly, branches included; everything else to nine tenths.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

WHOLLY = (
    "agents/wire/",
    "webcloud/conductor/",
    "webcloud/identity/permissions.py",
    "webcloud/identity/quotas.py",
    "webcloud/images/inspection.py",
    "webcloud/images/qcow2_header.py",
    "webcloud/scheduler/",
)
OTHERS = 90.0


def main() -> int:
    """The exit code."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "coverage.json"
        argv = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)]
        subprocess.run(argv, check=True)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    low = 0
    for name, found in sorted(files.items()):
        needed = 100.0 if name.startswith(WHOLLY) else OTHERS
        reached = found["summary"]["percent_covered"]
        if reached >= needed:
            continue
        low += 1
        lines = ", ".join(str(line) for line in found["missing_lines"][:20])
        branches = ", ".join(f"{a}->{b}" for a, b in found.get("missing_branches", [])[:20])
        sys.stdout.write(f"{reached:6.1f} % of {needed:.0f} %  {name}  {lines}  {branches}\n")
    sys.stdout.write(f"{len(files)} files, {low} covered too little\n")
    return 1 if low or not files else 0


if __name__ == "__main__":
    sys.exit(main())
