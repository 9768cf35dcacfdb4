"""``webcloud doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from webcloud.commands.settings import config_for, state_option


@click.command(name="doctor")
@state_option
def command(state: Path | None) -> None:
    """Look at every hop from the packages to a guest's console.

    The exit code is 1 when one fails; the first that does is the one to mend.
    """
    from webcloud.doctor.examine import examine

    first = None
    for finding in examine(config_for(state)):
        click.echo(str(finding))
        if first is None and finding.state == "failing":
            first = finding
    if first is not None:
        click.echo(f"\nMend this first: {first.hop}: {first.words}.")
        click.echo(f"  {first.fix}")
        sys.exit(1)
    click.echo("\nAll is well.")
