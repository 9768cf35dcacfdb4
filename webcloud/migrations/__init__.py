"""The database's schema, version by version, both directions.

``upgrade`` and ``downgrade`` run Alembic on SQLite, PostgreSQL and MariaDB
alike; on SQLite a table is copied where ALTER cannot do it (batch mode).
``pending`` is cheap, so that every start can ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from webcloud.db import Database, translated_errors
from webcloud.errors import Conflict


def settings(database_url: str) -> AlembicConfig:
    """Alembic's configuration for one database."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def current(database_url: str) -> str | None:
    """The version that the database is at; None for an empty one. Raises Unavailable."""
    database = Database(database_url)
    with translated_errors(), database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    database.engine.dispose()
    return found


def newest() -> str:
    """The version that this program needs."""
    head = ScriptDirectory.from_config(settings("")).get_current_head()
    assert head is not None  # noqa: S101 - the first version is part of the package
    return head


def pending(database_url: str) -> bool:
    """Whether the database is not at the newest version."""
    return current(database_url) != newest()


def upgrade(database_url: str, version: str = "head") -> None:
    """Go forward to ``version``. Raises Conflict for versions that this program lacks."""
    with translated_errors(), _unknown_versions():
        command.upgrade(settings(database_url), version)


def downgrade(database_url: str, version: str) -> None:
    """Go back to ``version``; ``base`` is the empty database."""
    with translated_errors(), _unknown_versions():
        command.downgrade(settings(database_url), version)


@contextmanager
def _unknown_versions() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise Conflict(
            f"The database's schema and this program do not go together: {error}.",
            next_step="Install the webcloud that wrote it, or go back to a copy of the database.",
        ) from error
