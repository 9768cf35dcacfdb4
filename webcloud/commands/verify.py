"""``webcloud verify``: does the database agree with what is really there?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from webcloud.commands.settings import open_database, state_option


@click.command(name="verify")
@state_option
@click.option("--quick", is_flag=True, help="Compare images by their size, not by every byte.")
def command(state: Path | None, quick: bool) -> None:
    """Compare the database with images, libvirt, disks, taps, rules and leases of every host.

    Changes nothing. Prints one line per problem; the exit code is 1 when there is any.
    """
    from webcloud.admin import verify

    config, database = open_database(state)
    problems = verify.run(database, config.image_dir, quick=quick)
    for problem in problems:
        click.echo(str(problem))
    if problems:
        click.echo(f"{len(problems)} problems.", err=True)
        sys.exit(1)
    click.echo("Everything agrees.")
