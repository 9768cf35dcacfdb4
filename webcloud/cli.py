"""The command line: ``webcloud VERB``. Each verb is a file in ``webcloud.commands``.

A verb's file is imported only when the verb is used, so that the long-lived
ones carry no module that they do not need.
"""

from __future__ import annotations

import importlib
import sys

import click

from webcloud.errors import WebcloudError
from webcloud.version import __version__

# Each verb's file has its name.
VERBS = (
    "up", "web", "proxy", "doctor", "verify", "agent", "host", "image", "user", "db", "version",
)  # fmt: skip


class Verbs(click.Group):
    """Loads ``webcloud.commands.<verb>`` when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"webcloud.commands.{cmd_name}").command
        return command


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="webcloud")
def cli() -> None:
    """A private compute cloud that starts with one command: webcloud up."""


def main() -> None:
    """Exit code 1 with a plain sentence for an error of ours, 2 for a wrong command line."""
    try:
        cli(prog_name="webcloud")
    except WebcloudError as error:
        click.echo(f"webcloud: {error.full_message}", err=True)
        sys.exit(1)
    except ValueError as error:
        # A setting in the environment that cannot be read names itself.
        if not str(error).startswith("WEBCLOUD_"):
            raise
        click.echo(f"webcloud: {error}", err=True)
        sys.exit(1)
