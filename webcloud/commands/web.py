"""``webcloud web``: the controller alone."""

from __future__ import annotations

import click

from webcloud.config import Config


@click.command(name="web")
@click.option("--fd", type=int, help="Serve on this open socket instead of WEBCLOUD_LISTEN.")
def command(fd: int | None) -> None:
    """Run the controller in the foreground; settings come from WEBCLOUD_* variables."""
    from webcloud import serving

    serving.main(Config.from_environment().with_defaults_filled(), fd)
