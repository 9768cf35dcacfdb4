"""Run by Alembic for every command; connects as ``webcloud.migrations`` says."""

from __future__ import annotations

from alembic import context

from webcloud.db import Database
from webcloud.migrations import resuming, turns
from webcloud.models import metadata

# Alembic has met them by being imported.
__all__ = ["resuming"]


def run() -> None:
    """Run the migrations in one transaction where the database can, one program at a time."""
    database = Database(context.config.attributes["database_url"])
    try:
        with database.engine.connect() as connection:
            turns.take(connection)
            context.configure(
                connection=connection,
                target_metadata=metadata,
                render_as_batch=True,
                compare_type=True,
            )
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
    finally:
        database.engine.dispose()


run()
