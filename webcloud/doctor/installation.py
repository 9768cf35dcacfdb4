"""Hops of webcloud itself: its user, files, database, port, processes and hosts."""

from __future__ import annotations

import http.client
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from webcloud import migrations
from webcloud.config import Config
from webcloud.db import Database, now
from webcloud.doctor.finding import Finding, failing, note, ok
from webcloud.errors import WebcloudError
from webcloud.hosts import capacity, presence, queries
from webcloud.hosts.models import Host
from webcloud.proxy import handover
from webcloud.supervising import account, checks, hypervisor, programs
from webcloud.supervising.own_command import typed

LITTLE_DISK = 5 * 1024**3  # bytes
START = f"start it: {typed('up')}"


def service_user(config: Config) -> Iterator[Finding]:
    """Whether the controller has a user of its own."""
    found = account.existing_account()
    if found is not None:
        yield ok("user", f"{found.name} (uid {found.uid})")
    elif config.virt == "test":
        yield note("user", "there is no user webcloud; every part runs as whoever started it")
    else:
        yield failing("user", "there is no user webcloud", f"as root, {typed('up')} makes it")


def directories(config: Config) -> Iterator[Finding]:
    """Modes of what holds secrets."""
    wanted = {
        config.state_dir: 0o711,
        config.state_dir / "controller": 0o750,
        config.state_dir / "clouds.yaml": 0o600,
        config.state_dir / "openrc": 0o600,
    }
    wrong = []
    for path, mode in wanted.items():
        try:
            found = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:
            yield failing("files", f"{path} is missing", START)
            return
        if found & ~mode:
            wrong.append((path, mode, found))
    for path, mode, found in wrong:
        yield failing(
            "files", f"{path} has mode {found:o}, which lets in too many", f"chmod {mode:o} {path}"
        )
    if not wrong:
        yield ok("files", f"{config.state_dir}: owners and modes as they should be")


def disk_space(config: Config) -> Iterator[Finding]:
    """Room where images and disks are stored."""
    if not config.state_dir.exists():
        return
    free = checks.free_bytes(config.state_dir)
    words = f"{free / 1024**3:.1f} GB free below {config.state_dir}"
    if free < LITTLE_DISK:
        yield failing("disk space", words, "delete images and instances, or give it more room")
    else:
        yield ok("disk space", words)


def database(config: Config) -> Iterator[Finding]:
    """Whether it answers and has the version that this program needs."""
    if config.database_url.startswith("sqlite") and not os.access(config.database_file, os.R_OK):
        yield failing(
            "database", f"cannot read {config.database_file}", "run with sudo, or " + START
        )
        return
    try:
        found = migrations.current(config.database_url)
    except WebcloudError as error:
        yield failing("database", error.message, "start the database server, check DATABASE_URL")
        return
    needed = migrations.newest()
    if found != needed:
        yield failing("database", f"at version {found}, not {needed}", "webcloud db upgrade")
        return
    yield ok("database", f"answers, at version {found}")


def port(config: Config) -> Iterator[Finding]:
    """Who answers on the one port."""
    status, _ = _healthz(config)
    if status is None:
        yield failing("port", f"nobody answers at {config.listen}", START)
    elif status == 0:
        yield failing(
            "port",
            f"somebody answers at {config.listen}, but not webcloud",
            "stop that program, or use another --listen",
        )
    else:
        yield ok("port", f"{config.listen} answers")


def controller(config: Config) -> Iterator[Finding]:
    """What the controller says of itself."""
    status, answer = _healthz(config)
    if not status:
        return
    parts = answer.get("parts", {})
    bad = [name for name in ("database", "conductor") if parts.get(name, {}).get("status") != "ok"]
    if bad:
        log = programs.log_file(config, "controller")
        yield failing("controller", f"its {' and '.join(bad)} failed", f"read {log}")
    else:
        yield ok("controller", f"version {answer.get('version')}, serves requests")


def agents(config: Config) -> Iterator[Finding]:
    """When each host was last heard, and whether its disk is nearly full."""
    try:
        with Database(config.database_url).reading() as session:
            hosts = queries.list_hosts(session)
    except WebcloudError:
        return  # The database's own finding says why.
    if not hosts:
        yield failing("agent", "no host has joined", f"read {programs.log_file(config, 'agent')}")
    for host in hosts:
        yield _heard(host, _log_of(config, host))
        if capacity.nearly_full(host):
            free, total = (size / capacity.GIB for size in (host.disk_free, host.disk_total))
            yield failing(
                "host disk",
                f"{host.name} has {free:.1f} of {total:.1f} GB free and takes no new instance",
                "delete or move instances there, or give it more room",
            )


def _heard(host: Host, log: str) -> Finding:
    if host.last_seen_at is None:
        return failing("agent", f"{host.name} has joined but was never heard", f"read {log}")
    seconds = (now() - host.last_seen_at).total_seconds()
    words = f"{host.name} was heard {seconds:.0f} s ago"
    if not presence.is_alive(host):
        return failing("agent", words, f"start the agent on {host.name}, or read {log}")
    if not host.hypervisor:
        return failing("agent", f"{words}, but has not told what it offers yet", f"read {log}")
    return ok("agent", f"{words}, runs guests on {host.hypervisor}")


def _log_of(config: Config, host: Host) -> str:
    if host.name == programs.host_name():
        return str(programs.log_file(config, "agent"))
    return f"the agent's log on {host.name}"


def proxy(config: Config) -> Iterator[Finding]:
    """Whether the console relay takes sockets."""
    try:
        receipt = handover.ping(config.proxy_socket)
    except handover.ProxyDown as error:
        log = programs.log_file(config, "proxy")
        yield failing("console proxy", str(error), f"{START}, or read {log}")
        return
    yield ok("console proxy", f"answers, {receipt.consoles} consoles open")


def console_socket(config: Config) -> Iterator[Finding]:
    """Whether the agent opens consoles."""
    if hypervisor.answers(config.console_socket):
        yield ok("console socket", f"the agent accepts at {config.console_socket}")
    else:
        log = programs.log_file(config, "agent")
        yield failing("console socket", f"nobody accepts at {config.console_socket}", f"read {log}")


def _healthz(config: Config) -> tuple[int | None, dict[str, Any]]:
    """(status, answer); (None, {}) when nobody answers, (0, {}) when it is not webcloud."""
    address = programs.local_address(config).removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/healthz")
        got = connection.getresponse()
        status, body = got.status, got.read()
    except http.client.HTTPException:
        return 0, {}
    except OSError:
        return None, {}
    finally:
        connection.close()
    try:
        answer = json.loads(body)
    except ValueError:
        return 0, {}
    return (status, answer) if isinstance(answer, dict) and "parts" in answer else (0, {})
