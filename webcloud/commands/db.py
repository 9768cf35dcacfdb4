"""``webcloud db``: the database's schema and its copy."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click

from webcloud.commands.settings import become_owner, config_for, state_option
from webcloud.errors import BadRequest


@click.group(name="db")
def command() -> None:
    """Upgrade, downgrade or back up the database."""


@command.command()
@state_option
@click.argument("version", default="head")
def upgrade(state: Path | None, version: str) -> None:
    """Go forward to VERSION (default: the newest)."""
    from webcloud import migrations

    config = config_for(state)
    become_owner(config)
    migrations.upgrade(config.database_url, version)
    click.echo(f"The database is at version {migrations.current(config.database_url)}.")


@command.command()
@state_option
@click.argument("version")
@click.confirmation_option(prompt="Data of later versions is lost. Go on?")
def downgrade(state: Path | None, version: str) -> None:
    """Go back to VERSION; base is the empty database."""
    from webcloud import migrations

    config = config_for(state)
    become_owner(config)
    migrations.downgrade(config.database_url, version)
    click.echo(f"The database is at version {migrations.current(config.database_url)}.")


@command.command()
@state_option
def current(state: Path | None) -> None:
    """Print the database's version and the one this program needs."""
    from webcloud import migrations

    config = config_for(state)
    become_owner(config)
    click.echo(f"database: {migrations.current(config.database_url)}")
    click.echo(f"program:  {migrations.newest()}")


@command.command()
@state_option
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def backup(state: Path | None, target: Path) -> None:
    """Write a consistent copy of the SQLite database to TARGET (mode 0600), while it runs."""
    config = config_for(state)
    if not config.database_url.startswith("sqlite"):
        raise BadRequest(
            "Only SQLite is copied by webcloud itself.",
            next_step="Use pg_dump or mariadb-dump for this database.",
        )
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(descriptor)
    source = f"file:{config.database_file}?mode=ro"
    with closing(sqlite3.connect(source, uri=True)) as database:  # noqa: SIM117
        with closing(sqlite3.connect(target)) as copy:
            database.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    click.echo(f"Wrote {target} ({target.stat().st_size} bytes).")
