"""The database server of a cloud under chaos, as a program that can be killed.

It runs as the user of its package in a folder of its own and is reached by a
unix socket there.  What it has acknowledged survives kill -9 (the kernel has
it), as on a machine whose power stays.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.support.databases import POSTGRESQL
from webcloud.supervising.account import Account
from webcloud.supervising.programs import Program

USERS = {"postgresql": "postgres", "mariadb": "mysql"}


def prepare(kind: str, folder: Path, logs: Path) -> tuple[str, Program]:
    """Make the folder of a server; its URL (empty database ``webcloud``) and how to run it."""
    user = pwd.getpwnam(USERS[kind])
    account = Account(user.pw_name, user.pw_uid, user.pw_gid)
    folder.mkdir(mode=0o755)
    os.chown(folder, account.uid, account.gid)
    data, log = folder / "data", logs / "database.log"
    if kind == "postgresql":
        _run(
            account,
            f"{POSTGRESQL}/initdb --pgdata={data} --username=webcloud --auth=trust --no-sync "
            "--encoding=UTF8 --locale=C.UTF-8",
        )
        words = (
            f"{POSTGRESQL}/postgres -D {data} -k {folder} -c listen_addresses= "
            "-c fsync=off -c max_connections=200"
        )
        url = f"postgresql+psycopg://webcloud@/postgres?host={folder}"
    else:
        _run(
            account,
            f"mariadb-install-db --no-defaults --datadir={data} --skip-test-db "
            "--auth-root-authentication-method=normal",
        )
        words = (
            f"/usr/sbin/mariadbd --no-defaults --datadir={data} --socket={folder}/sock "
            f"--pid-file={folder}/pid --tmpdir={folder} --skip-networking --max-connections=200 "
            "--innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=64M "
            "--character-set-server=utf8mb4"
        )
        url = f"mariadb+pymysql://root@localhost/webcloud?unix_socket={folder}/sock&charset=utf8mb4"
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return url, Program("database", tuple(words.split()), environ, log, account)


def wait_ready(url: str, seconds: float = 60) -> None:
    """Return once the server answers and has its database."""
    server = create_engine(url.replace("/webcloud?", "/?"))
    deadline = time.monotonic() + seconds
    while True:
        try:
            with server.begin() as connection:
                if "mariadb" in url:
                    connection.execute(text("CREATE DATABASE IF NOT EXISTS webcloud"))
            server.dispose()
            return
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _run(account: Account, words: str) -> None:
    subprocess.run(
        words.split(),
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        capture_output=True,
        timeout=120,
        check=True,
    )
