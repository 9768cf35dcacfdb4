"""Checks, credentials, libvirt's start: the parts of the story, each by itself."""

from __future__ import annotations

import socket
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.support.running_cloud import wait_until
from webcloud.config import Config
from webcloud.supervising import (
    checks,
    credentials,
    hypervisor,
    own_command,
    programs,
    takeover,
)
from webcloud.supervising.checks import CannotStart


def test_an_unknown_kind_of_virtualisation_is_refused() -> None:
    with pytest.raises(CannotStart, match="--virt xen is unknown"):
        checks.check(Config(virt="xen"))


def test_without_root_machines_are_refused_and_the_way_out_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    with pytest.raises(CannotStart) as refused:
        checks.check(Config(virt="qemu"))
    assert "sudo make run" in refused.value.full_message
    assert "--virt test" in refused.value.full_message
    checks.check(Config(virt="test"))


def test_missing_packages_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    checks.check(Config(virt="qemu"))
    monkeypatch.setattr(checks, "SEARCH_PATH", "/nowhere")
    with pytest.raises(CannotStart) as refused:
        checks.check(Config(virt="qemu"))
    for package in checks.PROGRAMS.values():
        assert package in refused.value.full_message


@pytest.mark.parametrize("listen", ["8774", "host:port", "127.0.0.1:70000", "no.such.host.:1"])
def test_a_wrong_address_to_listen_on_is_refused(listen: str) -> None:
    with pytest.raises(CannotStart):
        checks.listening_socket(listen).close()


@pytest.mark.parametrize(
    ("listen", "local"),
    [
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
        ("192.0.2.1:80", "http://192.0.2.1:80"),
    ],
)
def test_the_local_address_is_one_that_can_be_called(listen: str, local: str) -> None:
    assert programs.local_address(Config(listen=listen)) == local


def test_the_agent_and_the_proxy_never_see_the_database_or_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBCLOUD_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("WEBCLOUD_ADMIN_PASSWORD", "secret")
    config = replace(Config(), state_dir=tmp_path)
    for program in (programs.agent(config, tmp_path / "token", None), programs.proxy(config, None)):
        assert "secret" not in str(program.environ.values())
    with socket.socket() as listener:
        environ = programs.controller(config, None, listener).environ
    assert environ["WEBCLOUD_DATABASE_URL"] == "postgresql://secret"
    assert "WEBCLOUD_ADMIN_PASSWORD" not in environ


@pytest.mark.parametrize("password", ["plain", 'quo"te\\s', "$(x) 'y' #z", "mật khẩu: dài"])
def test_any_password_survives_clouds_yaml(password: str, tmp_path: Path) -> None:
    credentials.write(tmp_path, "http://127.0.0.1:1", "RegionOne", password)
    parsed = yaml.safe_load((tmp_path / "clouds.yaml").read_text(encoding="utf-8"))
    assert parsed["clouds"]["webcloud"]["auth"]["password"] == password
    assert credentials.stored_password(tmp_path) == password
    assert stat.S_IMODE((tmp_path / "openrc").stat().st_mode) == 0o600


def test_a_foreign_clouds_yaml_holds_no_password_of_ours(tmp_path: Path) -> None:
    assert credentials.stored_password(tmp_path) is None
    (tmp_path / "clouds.yaml").write_text("      password: not json\n")
    assert credentials.stored_password(tmp_path) is None


def test_a_libvirt_that_answers_is_left_alone_and_one_that_never_does_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        listener.listen()
        monkeypatch.setattr(hypervisor, "LIBVIRT_SOCKET", tmp_path / "sock")
        hypervisor.start(said.append)
        assert said == []
        monkeypatch.setattr(hypervisor, "LOCK_SOCKET", tmp_path / "sock")
        monkeypatch.setattr(hypervisor, "LIBVIRT_SOCKET", tmp_path / "nobody")
        monkeypatch.setattr(hypervisor, "SYSTEMD", tmp_path / "none")
        monkeypatch.setattr(hypervisor, "WAIT_SECONDS", 0.3)
        monkeypatch.setattr(hypervisor, "LIBVIRT_LOG", tmp_path / "log" / "libvirtd.log")
        slow = tmp_path / "slow"
        slow.write_text("#!/bin/sh\nexec sleep 1\n")
        slow.chmod(0o755)
        monkeypatch.setattr(hypervisor, "found", lambda program: str(slow))
        with pytest.raises(CannotStart, match="does not answer"):
            hypervisor.start(said.append)
        monkeypatch.setattr(hypervisor, "found", lambda program: "/bin/true")
        with pytest.raises(CannotStart, match="it ended with 0"):
            hypervisor.start(said.append)
        monkeypatch.setattr(hypervisor, "LOCK_SOCKET", tmp_path / "nobody")
        monkeypatch.setattr(hypervisor, "found", lambda program: "/bin/false")
        with pytest.raises(CannotStart, match="could not be started"):
            hypervisor.start(said.append)
        monkeypatch.setattr(hypervisor, "found", lambda program: None)
        with pytest.raises(CannotStart, match="is not installed"):
            hypervisor.start(said.append)


def test_two_that_start_libvirt_at_once_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:

        def start(_say: object) -> None:
            started.append("libvirtd")
            time.sleep(0.2)
            listener.bind(str(tmp_path / "sock"))
            listener.listen()

        monkeypatch.setattr(hypervisor, "LIBVIRT_SOCKET", tmp_path / "sock")
        monkeypatch.setattr(hypervisor, "STARTING", tmp_path / "lock")
        monkeypatch.setattr(hypervisor, "_start", start)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(hypervisor.start, [print] * 3))
    assert started == ["libvirtd"]


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="cannot be written"):
        hypervisor.keep("/bin/true", tmp_path / "file" / "libvirtd.log")


def test_where_systemd_runs_nothing_else_clears_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "found", lambda program: program != "tini" or None)
    monkeypatch.setattr(checks, "SYSTEMD", tmp_path)
    assert checks.missing_packages() == []
    monkeypatch.setattr(checks, "SYSTEMD", tmp_path / "none")
    assert checks.missing_packages() == ["tini"]


def test_what_ends_under_a_kept_program_is_cleared_away_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libvirt waits until nothing is left of a QEMU that has ended, not even its number."""
    monkeypatch.setenv("WEBCLOUD_ADMIN_PASSWORD", "a secret")
    program, number = tmp_path / "program", tmp_path / "number"
    program.write_text(
        f"#!/bin/sh\nenv\n(sleep 0.3 & echo $! >{number}.new; mv {number}.new {number})\n"
        "exec sleep 5\n"
    )
    program.chmod(0o755)
    log = tmp_path / "log" / "kept.log"
    kept = hypervisor.keep(str(program), log)
    try:
        wait_until(number.exists, 5, log.read_text)
        orphan = Path("/proc") / number.read_text().strip()
        parent = Path("/proc") / str(kept.pid) / "comm"
        assert parent.read_text() == "tini\n"
        time.sleep(0.6)
        assert not orphan.exists()
    finally:
        kept.terminate()
        kept.wait(5)
    assert "a secret" not in log.read_text()
    assert log.stat().st_mode & 0o007 == 0


def test_only_one_supervisor_holds_a_state_directory(tmp_path: Path) -> None:
    takeover.lock(tmp_path)
    with pytest.raises(CannotStart, match="already runs"):
        takeover.lock(tmp_path)


def test_a_message_names_our_command_so_that_it_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = Path(sys.executable).with_name("webcloud")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert own_command.typed("doctor") == f"{here} doctor"
    foreign = tmp_path / "webcloud"
    foreign.write_text("#!/bin/sh\n")
    foreign.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_command.typed("doctor") == f"{here} doctor"
    monkeypatch.setenv("PATH", str(here.parent))
    assert own_command.typed("doctor") == "webcloud doctor"
