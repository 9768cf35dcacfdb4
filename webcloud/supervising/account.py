"""The system user that everything but the agent runs as.

Created when the supervisor is started as root; otherwise everything runs as
whoever started it.  A checkout below a closed directory (/root is 0700) is
made reachable by granting search permission on the closed ancestors and on
nothing else, to this one user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from webcloud.supervising.checks import CannotStart

NAME = "webcloud"


@dataclass(frozen=True)
class Account:
    """Whom a program runs as."""

    name: str
    uid: int
    gid: int


def service_account(say: Callable[[str], None]) -> Account | None:
    """The user ``webcloud``, created if missing; None when not started as root."""
    if os.geteuid() != 0:
        return None
    found = existing_account()
    if found is None:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
        if useradd is None:
            raise CannotStart(
                f"The system user {NAME} is missing and useradd is not installed.",
                next_step="Install the package passwd, or create the user yourself.",
            )
        subprocess.run(
            [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
             "--shell", "/usr/sbin/nologin", "--comment", "webcloud services", NAME],
            check=True,
        )  # fmt: skip
        found = existing_account()
        assert found is not None  # noqa: S101 - useradd has just said so
        say(f"created the system user {NAME}")
    return found


def existing_account() -> Account | None:
    """The user ``webcloud``, or None when this machine has none."""
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def become(account: Account) -> None:
    """Give up root for good and go on as ``account``."""
    os.setgroups([])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)


def make_reachable(account: Account, paths: list[Path], say: Callable[[str], None]) -> None:
    """Let ``account`` pass every ancestor of ``paths``, and read them.

    Raises CannotStart with the command to run when that is not possible.
    """
    for path in paths:
        if _allowed(account, "-r", path):
            continue
        for directory in reversed(path.parents):
            if not _allowed(account, "-x", directory):
                _grant_search(account, directory, say)
        if not _allowed(account, "-r", path):
            root = path if path.is_dir() else path.parent
            raise CannotStart(
                f"The user {account.name} may not read {path}.",
                next_step=f"Run: chmod -R o+rX {root}",
            )


def make_kernels_readable(
    account: Account, say: Callable[[str], None], boot: Path = Path("/boot")
) -> None:
    """Ubuntu hides its kernels, which are public, from everybody; the demo image needs one."""
    for kernel in boot.glob("vmlinuz-*"):
        if not _allowed(account, "-r", kernel) and _set_acl(account, "r--", kernel):
            say(f"let the user {account.name} read {kernel} (for the demo image)")


def program_files() -> list[Path]:
    """The interpreter and the code that a child needs to read."""
    package = Path(__file__).resolve().parent.parent
    return [
        Path(sys.executable),
        Path(sys.executable).resolve(),
        Path(os.__file__).resolve(),
        Path(sys.prefix) / "pyvenv.cfg" if sys.prefix != sys.base_prefix else Path(sys.prefix),
        package / "cli.py",
        package.parent / "agents" / "__init__.py",
    ]


def _allowed(account: Account, test: str, path: Path) -> bool:
    # The kernel's own answer, which knows of access lists, asked as that user.
    return (
        subprocess.run(
            ["test", test, str(path)],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        ).returncode
        == 0
    )


def _grant_search(account: Account, directory: Path, say: Callable[[str], None]) -> None:
    if not _set_acl(account, "--x", directory) or not _allowed(account, "-x", directory):
        raise CannotStart(
            f"The user {account.name} cannot pass through {directory}.",
            next_step=f"Run: chmod o+x {directory} - or move the checkout to /opt.",
        )
    say(f"let the user {account.name} pass through {directory} (setfacl, search only)")


def _set_acl(account: Account, right: str, path: Path) -> bool:
    setfacl = shutil.which("setfacl")
    if setfacl is None:
        return False
    done = subprocess.run(
        [setfacl, "-m", f"u:{account.name}:{right}", str(path)], check=False, capture_output=True
    )
    return done.returncode == 0
