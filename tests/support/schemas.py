"""A database of its own for each test, of the kind that this run of the tests is about.

SQLite in a file, unless pytest was told ``--database postgresql`` or ``mariadb``
(a throwaway server is started), or ``WEBCLOUD_DATABASE_URL`` names a server
whose user may create databases.  Every database is as new: SQLite's file and
PostgreSQL's database are copies of a template; MariaDB, which has none, empties
the few tables that the test before has filled.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pymysql.constants import ER
from sqlalchemy import URL, Connection, create_engine, insert, literal, make_url, select, union_all
from sqlalchemy.dialects.mysql import INTEGER
from sqlalchemy.exc import OperationalError

import webcloud.models
from tests.support import databases
from tests.support.people import PASSWORD
from webcloud.db import Database

metadata = webcloud.models.metadata


class Maker(Protocol):
    """Makes databases with every table; ``people`` adds user and project ``admin``."""

    def make(self, file: Path, *, people: bool) -> str: ...

    def drop(self, url: str) -> None: ...

    def end(self) -> None: ...


class Schemas:
    """The databases that tests have at this moment."""

    def __init__(self, kind: str, maker: Maker) -> None:
        self.kind = kind
        self._maker = maker
        self.taken: list[str] = []

    def with_tables(self, file: Path) -> str:
        """The URL of a database with every table and no row; SQLite's is in ``file``."""
        return self._take(file, people=False)

    def with_people(self, file: Path) -> str:
        """The URL of a database that has the user and the project ``admin``, too."""
        return self._take(file, people=True)

    def drop(self, url: str) -> None:
        """End a database, whoever is still connected."""
        self.taken.remove(url)
        self._maker.drop(url)

    def end(self) -> None:
        """Leave nothing behind."""
        self._maker.end()

    def _take(self, file: Path, *, people: bool) -> str:
        url = self._maker.make(file, people=people)
        self.taken.append(url)
        return url


chosen: Schemas


def choose(kind: str, url: str) -> None:
    """Make this run of the tests one on ``kind``, or on the server at ``url``."""
    global chosen
    kind = _kind_of(url) if url else kind
    if kind == "sqlite":
        chosen = Schemas(kind, _SQLite())
    elif kind == "postgresql":
        chosen = Schemas(kind, _PostgreSQL(lambda: url or databases.running.url(kind)))
    else:
        chosen = Schemas(kind, _MariaDB(lambda: url or databases.running.url(kind)))


def _kind_of(url: str) -> str:
    name = make_url(url).get_backend_name()
    return "mariadb" if name == "mysql" else name


def _fill(url: str, *, people: bool) -> None:
    from webcloud.identity.bootstrap import ensure_admin

    database = Database(url)
    metadata.create_all(database.engine)
    if people:
        with database.transaction() as session:
            ensure_admin(session, PASSWORD)
    database.engine.dispose()


class _SQLite:
    def __init__(self) -> None:
        self._templates: dict[bool, Path] = {}

    def make(self, file: Path, *, people: bool) -> str:
        if people not in self._templates:
            template = Path(tempfile.mkdtemp(prefix="wc-template-")) / "webcloud.sqlite"
            _fill(f"sqlite:///{template}", people=people)
            self._templates[people] = template
        shutil.copy(self._templates[people], file)
        return f"sqlite:///{file}"

    def drop(self, url: str) -> None:
        """It ends with its folder."""

    def end(self) -> None:
        for template in self._templates.values():
            shutil.rmtree(template.parent, ignore_errors=True)


class _Server:
    """Runs statements on the server itself; connects when first asked."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._made: list[str] = []

    def create(self, template: str = "") -> str:
        """The name of a new database."""
        name = f"wc_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        self._made.append(name)
        return name

    def drop(self, name: str) -> None:
        force = " WITH (FORCE)" if self.server.get_backend_name() == "postgresql" else ""
        self.run(f"DROP DATABASE {name}{force}")
        self._made.remove(name)

    def end(self) -> None:
        for name in list(self._made):
            self.drop(name)

    def database(self, name: str) -> str:
        return self.server.set(database=name).render_as_string(hide_password=False)

    @property
    def server(self) -> URL:
        return make_url(self._url())

    def run(self, *statements: str) -> list[Any]:
        """The rows of the last statement, if it has any."""
        engine = create_engine(self.server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                done = connection.exec_driver_sql(statement)
            rows = list(done) if done.returns_rows else []
        engine.dispose()
        return rows


class _PostgreSQL:
    def __init__(self, url: Callable[[], str]) -> None:
        self._server = _Server(url)
        self._templates: dict[bool, str] = {}

    def make(self, file: Path, *, people: bool) -> str:
        if people not in self._templates:
            template = self._server.create()
            _fill(self._server.database(template), people=people)
            self._templates[people] = template
        return self._server.database(self._server.create(self._templates[people]))

    def drop(self, url: str) -> None:
        self._server.drop(str(make_url(url).database))

    def end(self) -> None:
        self._server.end()


class _MariaDB:
    """Emptied databases wait to be taken again: making forty tables lasts seconds."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._server = _Server(url)
        self._free: list[str] = []
        self._rows: list[tuple[Any, list[dict[str, Any]]]] = []

    def make(self, file: Path, *, people: bool) -> str:
        if people and not self._rows:
            self._rows = self._of_people()
        url = self._free.pop() if self._free else self._new()
        if people:
            self._on(url, self._put_people)
        return url

    def drop(self, url: str) -> None:
        for number, database in self._connections():
            if database == make_url(url).database:
                self._end_connection(number)
        self._on(url, _empty)
        self._free.append(url)

    def end(self) -> None:
        self._server.end()

    def _end_connection(self, number: int) -> None:
        try:
            self._server.run(f"KILL CONNECTION {number}")
        except OperationalError as error:
            # It may have ended by itself since they were listed.
            if error.orig is None or error.orig.args[0] != ER.NO_SUCH_THREAD:
                raise

    def _connections(self) -> list[Any]:
        return self._server.run("SELECT id, db FROM information_schema.processlist")

    def _new(self) -> str:
        url = self._server.database(self._server.create())
        _fill(url, people=False)
        return url

    def _of_people(self) -> list[tuple[Any, list[dict[str, Any]]]]:
        found: list[tuple[Any, list[dict[str, Any]]]] = []
        url = self._new()
        _fill(url, people=True)

        def read(connection: Connection) -> None:
            for table in metadata.sorted_tables:
                rows = [dict(row) for row in connection.execute(select(table)).mappings()]
                if rows:
                    found.append((table, rows))

        self._on(url, read)
        self.drop(url)
        return found

    def _put_people(self, connection: Connection) -> None:
        for table, rows in self._rows:
            connection.execute(insert(table), rows)

    @staticmethod
    def _on(url: str, work: Callable[[Connection], None]) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            work(connection)
        engine.dispose()


def _empty(connection: Connection) -> None:
    """Delete every row, asking once which tables have any."""
    tables = metadata.sorted_tables
    filled = union_all(
        *(
            select(literal(number, INTEGER)).where(select(literal(1)).select_from(table).exists())
            for number, table in enumerate(tables)
        )
    )
    numbers = connection.scalars(filled).all()
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=0")
    for number in numbers:
        connection.execute(tables[number].delete())
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=1")
