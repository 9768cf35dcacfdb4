"""``webcloud agent``: this machine as a host of a cloud whose controller runs elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click

from webcloud.commands.settings import config_for, state_option
from webcloud.config import Config
from webcloud.errors import Conflict


@click.group(name="agent")
def command() -> None:
    """Join this machine to a cloud as a host, and run its agent."""


@command.command()
@state_option
@click.option("--controller", required=True, metavar="URL", help="The controller's address.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The authority behind an https controller's certificate, if it is your own.",
)
@click.option(
    "--virt",
    type=click.Choice(["auto", "kvm", "qemu", "test"]),
    default="auto",
    show_default=True,
    help="What to run machines on.",
)
@click.option("--no-start", is_flag=True, help="Only join; do not run the agent.")
def join(
    state: Path | None, controller: str, ca_file: Path | None, virt: str, no_start: bool
) -> None:
    """Join with the token that `webcloud host add` printed, read from standard input.

    Then the agent is run: by systemd where there is one, else here in the
    foreground. Exit code 3: the controller refused the token; 4: it was not reached.
    """
    from webcloud.supervising import account, agent_settings, checks, directories, systemd

    config = replace(config_for(state), virt=virt)
    if config.database_file.exists():
        raise Conflict(
            "This machine runs a controller; the host beside it joins by itself.",
            next_step="Run this on another machine.",
        )
    checks.check(config)
    token = _token()
    directories.prepare_for_agent(config, account.service_account(click.echo))
    if ca_file is not None:
        shutil.copyfile(ca_file, agent_settings.ca_path(config))
    settings = agent_settings.of(
        config, controller.rstrip("/"), "", own_authority=ca_file is not None
    )
    name = _redeem(settings, token)
    agent_settings.write(config, {**settings, "WEBCLOUD_AGENT_NAME": name})
    click.echo(f"This machine has joined {controller} as host {name}.")
    if no_start:
        return
    if systemd.is_there():
        systemd.install(config)
        click.echo("The agent runs as the service webcloud-agent, also after a reboot.")
        return
    click.echo("There is no systemd here: the agent runs in this terminal (webcloud agent run).")
    _run(config, verbose=False)


@command.command()
@state_option
@click.option("--verbose", is_flag=True, help="Show the agent's log here.")
def run(state: Path | None, verbose: bool) -> None:
    """Run the agent of a machine that has joined, in the foreground, and keep it running."""
    _run(config_for(state), verbose)


def _token() -> str:
    if sys.stdin.isatty():
        token: str = click.prompt("Join token", hide_input=True)
    else:
        token = sys.stdin.readline()
    return token.strip()


def _redeem(settings: dict[str, str], token: str) -> str:
    """The name under which this machine was enrolled; ends the program with the agent's code."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agents", "join"],
        env={**environ, **{name: value for name, value in settings.items() if value}},
        input=f"{token}\n",
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        sys.exit(done.returncode)
    return str(json.loads(done.stdout)["name"])


def _run(config: Config, verbose: bool) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
    environ.update(WEBCLOUD_STATE_DIR=str(config.state_dir), WEBCLOUD_RUN_DIR=str(config.run_dir))
    sys.stdout.flush()
    # A fresh interpreter: the supervisor lives for months and loads almost nothing.
    argv = [sys.executable, "-P", "-m", "webcloud.supervising.lone_agent"]
    os.execve(sys.executable, argv + (["--verbose"] if verbose else []), environ)  # noqa: S606
