"""The service user reaches what it must, and is given nothing more."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from webcloud.supervising import account
from webcloud.supervising.account import Account
from webcloud.supervising.checks import CannotStart


@pytest.fixture
def service() -> Account:
    found = account.service_account(lambda words: None)
    assert found is not None, "these tests run as root"
    return found


@pytest.fixture
def closed() -> Iterator[Path]:
    """A readable file below a directory that only root may pass."""
    base = Path(tempfile.mkdtemp(dir="/var/tmp"))
    (base / "inner").mkdir()
    (base / "inner" / "code.py").write_text("")
    yield base / "inner" / "code.py"
    shutil.rmtree(base)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a service user that this machine has not got, nor afterwards."""
    name = f"wct-{secrets.token_hex(4)}"
    monkeypatch.setattr(account, "NAME", name)
    yield name
    subprocess.run(["/usr/sbin/userdel", name], check=False, capture_output=True)
    with pytest.raises(KeyError):
        pwd.getpwnam(name)


def test_a_closed_directory_is_opened_for_passing_and_nothing_else(
    service: Account, closed: Path
) -> None:
    said: list[str] = []
    account.make_reachable(service, [closed], said.append)
    assert _as(service, "test", "-r", str(closed))
    assert not _as(service, "ls", str(closed.parents[1]))
    assert len(said) == 1
    account.make_reachable(service, [closed], said.append)
    assert len(said) == 1


def test_a_hidden_file_is_named_with_the_command_to_run(service: Account, closed: Path) -> None:
    closed.chmod(0o600)
    with pytest.raises(CannotStart) as refused:
        account.make_reachable(service, [closed], lambda words: None)
    assert refused.value.next_step == f"Run: chmod -R o+rX {closed.parent}"


def test_a_directory_that_cannot_be_opened_is_named(
    service: Account, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account.shutil, "which", lambda name: None)
    with pytest.raises(CannotStart) as refused:
        account.make_reachable(service, [closed], lambda words: None)
    assert f"chmod o+x {closed.parents[1]}" in str(refused.value.next_step)


def test_a_hidden_kernel_becomes_readable_for_the_demo_image(
    service: Account, closed: Path
) -> None:
    boot = closed.parents[1]
    boot.chmod(0o755)
    kernel = boot / "vmlinuz-1"
    kernel.write_bytes(b"kernel")
    kernel.chmod(0o600)
    said: list[str] = []
    account.make_kernels_readable(service, said.append, boot)
    assert _as(service, "test", "-r", str(kernel))
    assert said == [f"let the user webcloud read {kernel} (for the demo image)"]


def test_whoever_is_not_root_runs_everything_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account.os, "geteuid", lambda: 1000)
    assert account.service_account(lambda words: None) is None


def test_a_missing_user_is_created_once_without_a_home_or_a_login(missing: str) -> None:
    said: list[str] = []
    made = account.service_account(said.append)
    assert made is not None
    assert said == [f"created the system user {missing}"]
    entry = pwd.getpwnam(missing)
    assert (made.name, made.uid, made.gid) == (missing, entry.pw_uid, entry.pw_gid)
    assert (entry.pw_dir, entry.pw_shell) == ("/nonexistent", "/usr/sbin/nologin")
    assert account.service_account(said.append) == made
    assert len(said) == 1


def test_a_user_that_cannot_be_created_is_asked_for(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account.shutil, "which", lambda name, path: None)
    with pytest.raises(CannotStart, match="useradd is not installed"):
        account.service_account(lambda words: None)
    assert account.existing_account() is None


def test_whoever_becomes_the_service_user_cannot_go_back(service: Account) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            account.become(service)
            assert (os.getresuid(), os.getgroups()) == ((service.uid,) * 3, [])
            os.setuid(0)
        except PermissionError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _as(service: Account, *argv: str) -> bool:
    done = subprocess.run(
        argv, user=service.uid, group=service.gid, extra_groups=[], cwd="/",
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0
