"""An empty database of each kind, and every version of the schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url

from tests.support.databases import KINDS, Servers
from webcloud import migrations


def every_version() -> list[str]:
    """All versions of the schema, oldest first."""
    script = ScriptDirectory.from_config(migrations.settings(""))
    return [each.revision for each in script.walk_revisions()][::-1]


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, of this test's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'webcloud.sqlite'}"
        return
    server = make_url(servers.url(request.param))
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE migrated")
    yield server.set(database="migrated").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE migrated")
    engine.dispose()
