"""The database: engine, declarative base, sessions and the only commits.

A web request gets one session (``current()``); ``webcloud.web`` commits it
when the view returns and rolls it back when the view raises.  Everyone else
uses ``transaction()`` or ``reading()``.  Services take a session and never
commit.  Hints are queued with ``after_commit`` and run only when the commit
has succeeded.  On SQLite a write transaction takes the write lock at BEGIN,
so it can never fail half-way with "database is locked".
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask import g
from sqlalchemy import DateTime, MetaData, String, event
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session
from sqlalchemy.types import TypeDecorator

from webcloud import connecting, outages
from webcloud.clock import Clock
from webcloud.errors import Conflict, Unavailable

log = logging.getLogger(__name__)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Row = TypeVar("Row", bound="Base")
Id = String(36)  # A UUID in its canonical text form, on every database.


# Twice this is the longest a change waits: for its turn, and for other processes.
LOCK_SECONDS = 5
# A server ends a transaction whose client has said nothing for this long. A frozen
# worker's locks would otherwise keep its heir waiting for as long as it is frozen.
IDLE_SECONDS = 10


# What stands for a stored time that is none: long past, so that nothing waits for it.
UNREADABLE_TIME = datetime(1970, 1, 1)


class _LenientTime(sqlite.DATETIME):
    """SQLite stores any text as a time; one that is none must not hide all other rows."""

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], Any]:
        parse: Any = super().result_processor(dialect, coltype)

        def read(value: Any) -> Any:
            try:
                return parse(value)
            except (ValueError, TypeError):
                log.exception("the database holds a time that cannot be read")
                return UNREADABLE_TIME

        return read


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds, on every database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_LenientTime())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The base of every table in the project."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime()}


clock = Clock()
# Programs that write moments differ by no more than this, whichever clock they go by.
CLOCKS_APART = timedelta(minutes=2)


def now() -> datetime:
    """The time, aware, in UTC; by the process's own steady clock."""
    return datetime.fromtimestamp(clock.now(), UTC)


class Unreadable(dict[str, Any]):
    """What stands for stored JSON that is none: empty, so that what shows it goes on."""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        log.exception("the database holds JSON that cannot be read")
        return Unreadable()


def new_id() -> str:
    """A fresh random UUID as text."""
    return str(uuid.uuid4())


@event.listens_for(Session, "loaded_as_persistent")
def _keep(session: Session, row: object) -> None:
    """A transaction reads each row once: what it has read stays in memory until it ends."""
    session.info.setdefault("rows", []).append(row)


@event.listens_for(Session, "after_flush")
def _flushed(session: Session, _context: object) -> None:
    session.info["changed"] = True


@event.listens_for(Session, "do_orm_execute")
def _executing(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        state.session.info["changed"] = True


def has_changes(session: Session) -> bool:
    """Whether this transaction has changed rows, or is about to."""
    waiting = bool(session.new or session.deleted or any(map(session.is_modified, session.dirty)))
    return waiting or bool(session.info.get("changed"))


class Database:
    """One engine and the way to get sessions from it."""

    def __init__(self, url: str) -> None:
        self.engine = connecting.engine(
            url,
            lock_seconds=LOCK_SECONDS,
            idle_seconds=IDLE_SECONDS,
            json_deserializer=_json,
        )
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # Whether a server answers an UPDATE with the row; SQLite's answer costs it a read.
        self.tells_changed_rows = self.engine.dialect.name == "postgresql"
        # SQLite's own waiting is unfair and sleeps in steps; inside one process
        # a plain lock hands the single writer's place over at once.
        self._writer = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session in one write transaction: commits on leaving, rolls back on error.

        Raises Conflict for a violated constraint, Unavailable when the
        database cannot be reached or stays locked.
        """
        with self._turn() if self.is_sqlite else _nothing():
            session = Session(self.engine, expire_on_commit=False)
            session.info["write"] = True
            session.info["alone"] = self.is_sqlite
            session.info["tells"] = self.tells_changed_rows
            try:
                with translated_errors():
                    if self.is_sqlite:
                        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
                    yield session
                    session.commit()
            finally:
                session.close()
        run_after_commit(session)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The one writer's place. Raises Unavailable rather than wait in a long queue."""
        if not self._writer.acquire(timeout=LOCK_SECONDS):
            raise Unavailable("The database is too busy with other changes.")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session whose changes, if any, are thrown away; SQL as text is not looked into.

        One without changes ends by a commit: after a rollback psycopg forgets
        what it has prepared, and the server reads every statement anew.
        """
        session = Session(self.engine, expire_on_commit=False)
        try:
            with translated_errors():
                yield session
                if not has_changes(session):
                    session.commit()
        finally:
            session.close()


def is_alone(session: Session) -> bool:
    """Whether nobody else can write until this transaction ends, so that no row need be locked.

    On SQLite a write transaction has the one lock there is from its BEGIN on;
    what it has read stays as it is.
    """
    return bool(session.info.get("alone"))


def tells_changed_rows(session: Session) -> bool:
    """Whether this write transaction's server answers an UPDATE with the rows it changed."""
    return bool(session.info.get("tells"))


def locked(session: Session, kind: type[Row], row_id: str) -> Row:
    """The row as it is now, which nobody else changes until this transaction ends."""
    if is_alone(session):
        return session.get_one(kind, row_id)
    return session.get_one(kind, row_id, with_for_update=True, populate_existing=True)


def after_commit(session: Session, action: Callable[[], None]) -> None:
    """Run ``action`` once this session's transaction has been committed; it cannot fail it."""
    session.info.setdefault("after_commit", []).append(action)


def run_after_commit(session: Session) -> None:
    """Run every action; the work is done, so one that fails is only logged."""
    for action in session.info.pop("after_commit", []):
        try:
            action()
        except Exception:
            log.exception("an action after a commit failed")


def current() -> Session:
    """The session of the web request being served (opened by ``webcloud.web``)."""
    session: Session = g.db_session
    return session


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into the project's."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            "The change collides with another one made at the same time.",
            next_step="Look at the present state and try again.",
        ) from error
    except DBAPIError as error:
        unavailable = outages.told(error)
        if unavailable is None:
            raise
        raise unavailable from error
    except PoolTimeout as error:
        raise Unavailable("The database is too busy.") from error


@contextmanager
def _nothing() -> Iterator[None]:
    yield
