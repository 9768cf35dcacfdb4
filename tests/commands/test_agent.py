"""``webcloud agent join`` and ``run`` against a controller on a real socket."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from tests.support.certificates import authority, certificate
from tests.support.live_server import free_port, serving
from tests.support.running_cloud import alive, wait_until
from webcloud.config import Config
from webcloud.db import Database, now
from webcloud.hosts import enrolment, queries
from webcloud.hosts.models import Host, JoinToken
from webcloud.supervising import agent_settings, programs, systemd
from webcloud.supervising.checks import CannotStart


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with serving(app, free_port()) as url:
        yield url


def token_for(database: Database, name: str = "n2") -> str:
    with database.transaction() as session:
        return enrolment.make_join_token(session, name)


def agent(state: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "webcloud", "agent", *arguments, "--state", str(state)]
    return subprocess.run(
        argv, input=given, capture_output=True, text=True, timeout=120, check=False
    )


def join(state: Path, address: str, token: str, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = ("join", "--controller", address, "--virt", "test", "--no-start", *more)
    return agent(state, *arguments, given=f"{token}\n")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_machine_joins_and_keeps_what_it_needs_to_itself(
    tmp_path: Path, address: str, database: Database
) -> None:
    token = token_for(database)
    done = join(tmp_path / "s", address, token)
    assert done.returncode == 0, done.stderr
    assert "as host n2" in done.stdout
    folder = tmp_path / "s" / "agent"
    stored = json.loads((folder / "credential").read_text())
    assert (mode(folder / "credential"), mode(folder / "agent.env")) == (0o600, 0o600)
    with database.reading() as session:
        host = queries.named(session, "n2")
        assert host is not None
        assert enrolment.authenticate(session, host.id, stored["secret"]).id == host.id
    settings = agent_settings.read(Config(state_dir=tmp_path / "s"))
    assert settings["WEBCLOUD_AGENT_NAME"] == "n2"
    assert settings["WEBCLOUD_AGENT_CONTROLLER"] == address
    assert token not in (folder / "agent.env").read_text() + done.stdout + done.stderr


@pytest.mark.parametrize(
    ("prepare", "words"),
    [("used", "used already"), ("expired", "has expired"), ("unknown", "is unknown")],
)
def test_a_token_that_is_no_good_ends_with_its_reason_and_code_3(
    prepare: str, words: str, tmp_path: Path, address: str, database: Database
) -> None:
    token = token_for(database)
    with database.transaction() as session:
        row = session.scalars(select(JoinToken)).one()
        if prepare == "used":
            row.used_at = now()
        if prepare == "expired":
            row.expires_at = now() - timedelta(seconds=1)
    done = join(tmp_path / "s", address, "guess" if prepare == "unknown" else token)
    assert done.returncode == 3
    assert words in done.stderr
    assert "webcloud host add NAME" in done.stderr
    assert not (tmp_path / "s" / "agent" / "agent.env").exists()


def test_a_second_join_replaces_the_credential_and_a_failed_one_keeps_it(
    tmp_path: Path, address: str, database: Database
) -> None:
    assert join(tmp_path / "s", address, token_for(database)).returncode == 0
    credential = tmp_path / "s" / "agent" / "credential"
    first = credential.read_text()
    assert join(tmp_path / "s", address, "guess").returncode == 3
    assert credential.read_text() == first
    assert join(tmp_path / "s", address, token_for(database)).returncode == 0
    assert credential.read_text() != first
    with database.reading() as session:
        assert len(session.scalars(select(Host)).all()) == 1


def test_a_controller_that_is_not_there_ends_with_code_4(tmp_path: Path) -> None:
    done = join(tmp_path / "s", f"http://127.0.0.1:{free_port()}", "token")
    assert done.returncode == 4
    assert "was not reached" in done.stderr
    assert "firewall" in done.stderr


def test_without_a_token_or_with_a_wrong_address_nothing_is_asked(tmp_path: Path) -> None:
    assert join(tmp_path / "s", "http://127.0.0.1:1", "").returncode == 2
    done = join(tmp_path / "s", "cloud.example", "token")
    assert done.returncode == 2
    assert "WEBCLOUD_AGENT_CONTROLLER" in done.stderr


def test_the_machine_of_a_controller_does_not_join_another(tmp_path: Path) -> None:
    database = tmp_path / "s" / "controller" / "webcloud.sqlite"
    database.parent.mkdir(parents=True)
    database.touch()
    done = join(tmp_path / "s", "http://127.0.0.1:1", "token")
    assert done.returncode == 1
    assert "runs a controller" in done.stderr


def test_https_is_believed_by_ones_own_authority_and_not_without(
    tmp_path: Path, app: Flask, database: Database
) -> None:
    ca = authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate(tmp_path, ca, "localhost"))
    token = token_for(database)
    with serving(app, free_port(), context) as address:
        secure = address.replace("http://127.0.0.1", "https://localhost")
        refused = join(tmp_path / "s", secure, token)
        assert refused.returncode == 4
        assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
        done = join(tmp_path / "s", secure, token, "--ca-file", str(ca.path))
    assert done.returncode == 0, done.stderr
    kept = tmp_path / "s" / "agent" / "controller-ca.pem"
    assert kept.read_text() == ca.path.read_text()
    settings = agent_settings.read(Config(state_dir=tmp_path / "s"))
    assert settings["WEBCLOUD_AGENT_CA_FILE"] == str(kept)


def test_run_on_a_machine_that_has_not_joined_says_what_to_do(tmp_path: Path) -> None:
    done = agent(tmp_path / "s", "run")
    assert done.returncode == 1
    assert "webcloud host add NAME" in done.stderr


def test_the_agent_runs_in_the_foreground_and_is_started_again(
    tmp_path: Path, address: str, database: Database
) -> None:
    state = tmp_path / "s"
    assert join(state, address, token_for(database)).returncode == 0
    argv = [sys.executable, "-P", "-m", "webcloud", "agent", "run", "--state", str(state)]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)
    pid_file = state / "run" / "pids" / "agent.pid"

    def pid() -> int:
        return int(pid_file.read_text().split()[0]) if pid_file.exists() else 0

    def told() -> bool:
        with database.reading() as session:
            host = queries.named(session, "n2")
            return host is not None and host.hypervisor == "test"

    try:
        wait_until(told, 60, (tmp_path / "out").read_text)
        first = pid()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: pid() not in (0, first) and alive(pid()), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not pid_file.exists()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_settings_that_a_line_cannot_hold_are_refused(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path)
    (tmp_path / "agent").mkdir()
    for value in ("a\nb", " a", "a\x00"):
        with pytest.raises(ValueError, match="cannot be"):
            agent_settings.write(config, {"WEBCLOUD_AGENT_NAME": value})
    with pytest.raises(CannotStart):
        agent_settings.read(config)


def test_the_service_is_the_agent_with_its_settings_and_nothing_else_is_ended(
    tmp_path: Path,
) -> None:
    text = systemd.unit(Config(state_dir=tmp_path))
    lines = text.splitlines()
    assert f"EnvironmentFile={tmp_path}/agent/agent.env" in lines
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start == f'ExecStart="{programs.PYTHON[0]}" "-P" "-m" "agents"'
    assert {"KillMode=process", "Restart=always", "WantedBy=multi-user.target"} <= set(lines)
    assert systemd._quoted('a"b\\c%d$e') == '"a\\"b\\\\c%%d$$e"'


def test_the_service_is_started_now_and_at_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "asked"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != "$FAILS" ]\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    unit = tmp_path / "webcloud-agent.service"
    systemd.install(Config(state_dir=tmp_path), unit)
    assert log.read_text().splitlines() == [
        "daemon-reload",
        "enable webcloud-agent.service",
        "restart webcloud-agent.service",
    ]
    assert unit.read_text() == systemd.unit(Config(state_dir=tmp_path))
    monkeypatch.setenv("FAILS", "enable")
    with pytest.raises(CannotStart, match="systemctl enable"):
        systemd.install(Config(state_dir=tmp_path), unit)


def test_systemd_is_seen_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "RUNNING", tmp_path)
    assert systemd.is_there()
    monkeypatch.setattr(systemd, "RUNNING", tmp_path / "none")
    assert not systemd.is_there()
