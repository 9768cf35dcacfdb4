"""``webcloud version``."""

from __future__ import annotations

import click

from webcloud.version import __version__


@click.command(name="version")
def command() -> None:
    """Print the version."""
    click.echo(f"webcloud {__version__}")
