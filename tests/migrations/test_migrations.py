"""The migrations on every kind of database, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from webcloud import migrations
from webcloud.db import Database
from webcloud.errors import Conflict, Unavailable
from webcloud.models import metadata


def test_the_migrated_schema_is_the_one_that_the_models_describe(empty_url: str) -> None:
    assert migrations.pending(empty_url)
    migrations.upgrade(empty_url)
    assert not migrations.pending(empty_url)
    database = Database(empty_url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.engine.dispose()


def test_a_database_that_is_away_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        migrations.current(f"sqlite:///{tmp_path}/missing/webcloud.sqlite")


def test_a_database_of_a_later_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'webcloud.sqlite'}"
    migrations.upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="9999"):
        migrations.upgrade(url)
    assert migrations.current(url) == "9999"
    engine.dispose()
