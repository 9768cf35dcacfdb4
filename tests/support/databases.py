"""Real databases for tests: SQLite in a file, PostgreSQL and MariaDB servers.

The servers are throwaway: made once per session in a directory of their own,
reachable through a unix socket there, ended with the session.  As root they
run as the user of their package, which they insist on.  Import ``database``
(each of the three in turn, empty) and ``servers`` into a conftest.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, text

from webcloud import models
from webcloud.conductor.models import OperationEvent, OperationRow, PeriodicRow
from webcloud.db import Base, Database

POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
KINDS = ("sqlite", "postgresql", "mariadb")
TABLES = [model.__table__ for model in (OperationRow, OperationEvent, PeriodicRow)]


@dataclass
class Server:
    """One running database server; ``url`` is that of its empty database."""

    url: str
    process: subprocess.Popen[bytes]
    directory: Path

    def crash(self) -> None:
        """End it at once, without its putting anything in order."""
        self.process.send_signal(signal.SIGQUIT if "postgresql" in self.url else signal.SIGKILL)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def start_again(self) -> None:
        """Start it on what the crash left, and wait until it answers."""
        self.process = _launch([], list(self.process.args), self.directory)
        _ready(self)

    def end(self) -> None:
        self.crash()
        shutil.rmtree(self.directory, ignore_errors=True)


class Servers:
    """Starts each kind of server when it is first asked for."""

    def __init__(self) -> None:
        self._running: dict[str, Server] = {}

    def url(self, kind: str) -> str:
        if kind not in self._running:
            self._running[kind] = start(kind)
        return self._running[kind].url

    def end(self) -> None:
        for server in self._running.values():
            server.end()


def start(kind: str) -> Server:
    """A server of the caller's own; it must be ended."""
    return {"postgresql": _postgresql, "mariadb": _mariadb}[kind]()


def start_durable() -> Server:
    """A PostgreSQL that keeps what it has committed over a power cut, on a real disk."""
    return _postgresql(fsync="on", on="/var/tmp")


# The servers of this run of the tests; tests/conftest.py ends them.
running = Servers()


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The servers of this run of the tests."""
    return running


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path
) -> Iterator[Database]:
    """An empty database holding the conductor's tables, on each kind in turn."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path / 'webcloud.db'}")
    else:
        opened = Database(servers.url(request.param))
    Base.metadata.create_all(opened.engine, tables=TABLES)
    with opened.transaction() as session:
        for table in reversed(TABLES):
            session.execute(delete(table))
    try:
        yield opened
    finally:
        opened.engine.dispose()


@contextmanager
def with_every_table(url: str) -> Iterator[Database]:
    """The database at ``url`` with every table and no row; afterwards it has no tables."""
    opened = Database(url)
    models.metadata.drop_all(opened.engine)
    models.metadata.create_all(opened.engine)
    try:
        yield opened
    finally:
        models.metadata.drop_all(opened.engine)
        opened.engine.dispose()


def _postgresql(fsync: str = "off", on: str = "/tmp") -> Server:
    directory, become = _home("postgres", on)
    data = directory / "data"
    _run(
        become,
        f"{POSTGRESQL}/initdb --pgdata={data} --username=webcloud --auth=trust --no-sync "
        "--encoding=UTF8 --locale=C.UTF-8",
        directory,
    )
    process = _launch(
        become,
        f"{POSTGRESQL}/postgres -D {data} -k {directory} -c listen_addresses= "
        f"-c fsync={fsync} -c max_connections=200".split(),
        directory,
    )
    url = f"postgresql+psycopg://webcloud@/postgres?host={directory}"
    return _ready(Server(url, process, directory))


def _mariadb() -> Server:
    directory, become = _home("mysql")
    data, socket = directory / "data", directory / "sock"
    _run(
        become,
        f"mariadb-install-db --no-defaults --datadir={data} --skip-test-db "
        "--auth-root-authentication-method=normal",
        directory,
    )
    process = _launch(
        become,
        f"/usr/sbin/mariadbd --no-defaults --datadir={data} --socket={socket} "
        f"--pid-file={directory}/pid --tmpdir={directory} --skip-networking "
        "--max-connections=200 "
        "--innodb-flush-method=nosync --innodb-buffer-pool-size=64M "
        "--character-set-server=utf8mb4".split(),
        directory,
    )
    url = f"mariadb+pymysql://root@localhost/{{}}?unix_socket={socket}&charset=utf8mb4"
    _ready(Server(url.format(""), process, directory))
    engine = create_engine(url.format(""))
    with engine.begin() as connection:
        connection.execute(text("CREATE DATABASE webcloud"))
    engine.dispose()
    return Server(url.format("webcloud"), process, directory)


def _home(package_user: str, on: str = "/tmp") -> tuple[Path, list[str]]:
    """A directory for the server, and the words that start it as whom it insists on.

    setpriv also has the kernel end the server when the tests are killed.
    """
    directory = Path(tempfile.mkdtemp(prefix="wc-", dir=on))
    directory.chmod(0o711)  # The controller connects as a user of its own.
    become = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        entry = pwd.getpwnam(package_user)
        os.chown(directory, entry.pw_uid, entry.pw_gid)
        become += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return directory, [*become, "--"]


def _run(become: list[str], words: str, directory: Path) -> None:
    done = subprocess.run(
        [*become, *words.split()], cwd=directory, capture_output=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{words} failed: {done.stdout.decode()} {done.stderr.decode()}")


def _launch(become: list[str], words: list[str], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            [*become, *words],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _ready(server: Server) -> Server:
    engine = create_engine(server.url)
    until = time.monotonic() + 60
    while True:
        try:
            with engine.connect():
                engine.dispose()
                return server
        except Exception as error:
            if server.process.poll() is not None or time.monotonic() > until:
                log = (server.directory / "log").read_text(errors="replace")
                server.end()
                raise RuntimeError(f"the database server did not start:\n{log}") from error
            time.sleep(0.1)
