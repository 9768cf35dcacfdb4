"""``webcloud proxy``: the console relay alone."""

from __future__ import annotations

import click

from webcloud.config import Config


@click.command(name="proxy")
def command() -> None:
    """Run the console proxy in the foreground; settings come from WEBCLOUD_* variables."""
    from webcloud.proxy import server

    server.main(Config.from_environment())
