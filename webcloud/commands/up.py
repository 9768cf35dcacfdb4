"""``webcloud up``: everything on this machine, under one supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from webcloud.commands.settings import config_for, state_option
from webcloud.config import Config


@click.command(name="up")
@state_option
@click.option("--listen", metavar="HOST:PORT", help="The one port (default: 127.0.0.1:8774).")
@click.option(
    "--virt",
    type=click.Choice(["auto", "kvm", "qemu", "test"]),
    help="What to run machines on (default: auto); test runs none and needs no root.",
)
@click.option("--verbose", is_flag=True, help="Show the logs of all parts here.")
def command(state: Path | None, listen: str | None, virt: str | None, verbose: bool) -> None:
    """Start the controller, the agent and the console proxy, and keep them running.

    Ctrl-C stops all three; virtual machines go on running.
    """
    config = config_for(
        state,
        listen=listen or os.environ.get("WEBCLOUD_LISTEN") or Config.listen,
        virt=virt or os.environ.get("WEBCLOUD_VIRT") or Config.virt,
    )
    environ = dict(os.environ)
    environ.update(
        WEBCLOUD_STATE_DIR=str(config.state_dir),
        WEBCLOUD_RUN_DIR=str(config.run_dir),
        WEBCLOUD_LISTEN=config.listen,
        WEBCLOUD_VIRT=config.virt,
    )
    sys.stdout.flush()
    # A fresh interpreter: the supervisor lives for months and loads almost nothing.
    argv = [sys.executable, "-P", "-m", "webcloud.supervising"]
    os.execve(sys.executable, argv + (["--verbose"] if verbose else []), environ)  # noqa: S606
