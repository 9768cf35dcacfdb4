"""Every external program the agent may start, and how.

The list is fixed: qemu-img (always under limits, always told the format),
nft, dnsmasq, and this interpreter for ``agents.network.links``.  Arguments
are lists, never a shell line; the environment is empty but for a path and a
locale.  Anything else is a KeyError, on purpose.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.errors import AgentError

log = logging.getLogger(__name__)

_LIMITS = ("prlimit", "--as=1073741824", "--cpu=30")
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "nft": ("nft",),
    "dnsmasq": ("dnsmasq",),
    "links": (sys.executable, "-P", "-m", "agents.network.links"),
}
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
}


@dataclass(frozen=True)
class Finished:
    """What a program left: its exit status and what it wrote."""

    status: int
    output: str
    errors: str


def run(program: str, args: Sequence[str], stdin: str = "", seconds: float = 30) -> Finished:
    """Run one of nft, dnsmasq, links to its end; the caller judges the status.

    Raises AgentError ``internal`` when it is not installed or hangs.
    """
    return _run([*_PROGRAMS[program], *args], stdin, seconds)


def qemu_img_create(path: str, size: int, backing: str = "", backing_format: str = "") -> Finished:
    """Write an empty qcow2 of ``size`` bytes, over ``backing`` when given."""
    argv = [*_LIMITS, "--fsize=1073741824", "--", "qemu-img", "create", "-q", "-f", "qcow2"]
    if backing:
        argv += ["-b", backing, "-F", backing_format]
    return _run([*argv, "--", path, str(size)], "", 40)


def _run(argv: list[str], stdin: str, seconds: float) -> Finished:
    name = Path(argv[0]).name
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=_ENVIRONMENT,
            cwd="/",
            check=False,
        )
    except FileNotFoundError as error:
        raise AgentError("internal", f"{name} is not installed on this host") from error
    except subprocess.TimeoutExpired as error:
        raise AgentError(
            "internal", f"{name} did not end within {seconds:.0f} s", retryable=True
        ) from error
    if done.returncode != 0:
        log.warning("%s ended with %s: %s", name, done.returncode, done.stderr.strip()[:500])
    return Finished(done.returncode, done.stdout, done.stderr.strip())
