"""Each hop that can fail is made to, on real files, sockets and databases."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.doctor.places import database_of, place, states
from tests.support.rooms import add_host
from webcloud import migrations
from webcloud.config import Config
from webcloud.db import now
from webcloud.doctor import examine, guest, installation
from webcloud.doctor.finding import Finding
from webcloud.supervising import account


def test_only_root_is_told_about_a_cloud_with_machines(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (found,) = examine.examine(replace(config, virt="qemu"))
    assert found.state == "failing"
    assert found.fix.startswith("run as root: ")
    assert len(states(examine.examine(replace(config, virt="test")))) > 1


@pytest.mark.parametrize(
    "hop",
    [
        installation.directories,
        installation.database,
        installation.port,
        installation.proxy,
        installation.console_socket,
    ],
)
def test_an_installation_that_was_never_started_fails_at_every_hop(
    hop: Callable[[Config], Iterator[Finding]], tmp_path: Path
) -> None:
    (found,) = hop(place(tmp_path))
    assert found.state == "failing"
    assert found.fix


def test_the_controller_s_user_is_missed_only_where_machines_run(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "NAME", "root")
    (found,) = installation.service_user(config)
    assert (found.state, found.words) == ("ok", "root (uid 0)")
    monkeypatch.setattr(account, "NAME", "no-such-user")
    assert states(installation.service_user(config)) == ["note"]
    assert states(installation.service_user(replace(config, virt="qemu"))) == ["failing"]


def test_what_lets_in_too_many_is_named_with_the_command_to_run(tmp_path: Path) -> None:
    config = place(tmp_path)
    (config.state_dir / "controller").mkdir(parents=True)
    config.state_dir.chmod(0o711)
    (config.state_dir / "controller").chmod(0o750)
    for name in ("clouds.yaml", "openrc"):
        (config.state_dir / name).touch(0o600)
    assert states(installation.directories(config)) == ["ok"]
    (config.state_dir / "openrc").chmod(0o644)
    (found,) = installation.directories(config)
    assert (found.state, found.fix) == ("failing", f"chmod 600 {config.state_dir}/openrc")


def test_without_a_state_directory_there_is_no_disk_to_look_at(tmp_path: Path) -> None:
    assert states(installation.disk_space(place(tmp_path))) == []


def test_a_database_server_that_is_away_is_named_once(tmp_path: Path) -> None:
    away = replace(
        place(tmp_path), database_url=f"postgresql+psycopg://webcloud@/x?host={tmp_path}"
    )
    (found,) = installation.database(away)
    assert found.state == "failing"
    assert found.fix.startswith("start the database server")
    assert states(installation.agents(away)) == []
    assert states(guest.console(away)) == []


def test_a_full_disk_fails(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(installation.disk_space(config)) == ["ok"]
    monkeypatch.setattr(installation, "LITTLE_DISK", 2**62)
    assert states(installation.disk_space(config)) == ["failing"]


def test_a_database_of_another_version_fails_with_the_command_to_run(tmp_path: Path) -> None:
    config = place(tmp_path)
    config.database_file.parent.mkdir(parents=True)
    migrations.upgrade(config.database_url, "0001")
    (found,) = installation.database(config)
    assert (found.state, found.fix) == ("failing", "webcloud db upgrade")
    migrations.upgrade(config.database_url)
    assert states(installation.database(config)) == ["ok"]


def test_somebody_else_on_the_port_is_told_from_webcloud(tmp_path: Path) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        config = replace(place(tmp_path), listen=f"127.0.0.1:{server.server_port}")
        (found,) = installation.port(config)
        assert "but not webcloud" in found.words
        assert list(installation.controller(config)) == []
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("said", [b"hello\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello", b""])
def test_what_does_not_answer_as_webcloud_is_told_from_it(said: bytes, tmp_path: Path) -> None:
    config = place(tmp_path)
    with _answering(config, said):
        (found,) = installation.port(config)
        assert "but not webcloud" in found.words


def test_a_controller_whose_part_failed_names_the_part_and_its_log(tmp_path: Path) -> None:
    config = place(tmp_path)
    parts = {"database": {"status": "ok"}, "conductor": {"status": "failed"}}
    with _healthy(config, parts):
        (found,) = installation.controller(config)
        assert (found.state, found.words) == ("failing", "its conductor failed")
        assert "controller.log" in found.fix
        assert states(installation.port(config)) == ["ok"]
    parts["conductor"]["status"] = "ok"
    with _healthy(config, parts):
        (found,) = installation.controller(config)
        assert (found.state, found.words) == ("ok", "version 7, serves requests")


def test_a_silent_host_is_named_with_its_log(tmp_path: Path) -> None:
    config = place(tmp_path)
    database = database_of(config)
    assert states(installation.agents(config)) == ["failing"]
    with database.transaction() as session:
        for name, seen in (("n1", now()), ("n2", now() - timedelta(minutes=5)), ("n3", None)):
            add_host(session, name, last_seen_at=seen)
    assert states(installation.agents(config)) == ["ok", "failing", "failing"]


def test_a_host_that_has_not_told_what_it_offers_is_named(tmp_path: Path) -> None:
    config = place(tmp_path)
    with database_of(config).transaction() as session:
        add_host(session, "n1", hypervisor="")
    (found,) = installation.agents(config)
    assert found.state == "failing"
    assert found.words.endswith("but has not told what it offers yet")


def test_a_host_whose_disk_is_nearly_full_is_named(tmp_path: Path) -> None:
    config = place(tmp_path)
    with database_of(config).transaction() as session:
        add_host(session, "n1", disk_free=3 * 1024**3)
    alive, full = installation.agents(config)
    assert (alive.state, full.state) == ("ok", "failing")
    assert full.words == "n1 has 3.0 of 100.0 GB free and takes no new instance"


@contextmanager
def _answering(config: Config, said: bytes) -> Iterator[None]:
    """Somebody on the port who says this to whoever asks."""

    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(said)

    class Server(socketserver.TCPServer):
        allow_reuse_address = True

    host, _, port = config.listen.partition(":")
    server = Server((host, int(port)), Talk)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _healthy(config: Config, parts: dict[str, dict[str, str]]) -> AbstractContextManager[None]:
    body = json.dumps({"status": "ok", "version": "7", "parts": parts})
    return _answering(config, f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())
