"""Which installation a verb is about: the state directory, its settings and database."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from webcloud.config import Config
from webcloud.errors import NotFound

if TYPE_CHECKING:
    from webcloud.db import Database

Function = TypeVar("Function", bound=Callable[..., Any])


def state_option(function: Function) -> Function:
    """``--state DIR``, given to the verb as ``state``."""
    option = click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        help="The installation's state directory (default: /var/lib/webcloud).",
    )
    return option(function)


def config_for(state: Path | None, *, listen: str | None = None, virt: str | None = None) -> Config:
    """The settings of one installation.

    With a state directory of its own an installation also keeps its sockets
    there, so that several can run on one machine.  What the running
    supervisor was told on its command line is read back from ``running.json``.
    """
    config = Config.from_environment()
    if state is not None:
        config = replace(config, state_dir=state.absolute(), run_dir=state.absolute() / "run")
    elif config.state_dir != Config.state_dir and "WEBCLOUD_RUN_DIR" not in os.environ:
        config = replace(config, run_dir=config.state_dir / "run")
    told = _running(config) if listen is None and "WEBCLOUD_LISTEN" not in os.environ else {}
    return replace(
        config,
        listen=listen or told.get("listen") or config.listen,
        virt=virt or told.get("virt") or config.virt,
        public_url=config.public_url or told.get("public_url", ""),
    ).with_defaults_filled()


def open_database(state: Path | None) -> tuple[Config, Database]:
    """The installation's database, as the user that owns it. Raises NotFound."""
    from webcloud.db import Database

    config = config_for(state)
    if config.database_url.startswith("sqlite") and not _exists(config.database_file):
        raise NotFound(
            f"There is no database at {config.database_file}.",
            next_step="Start webcloud up once, or name the right --state directory.",
        )
    become_owner(config)
    return config, Database(config.database_url)


def become_owner(config: Config) -> None:
    """As root, go on as the service user: files that we make must be its own."""
    if os.geteuid() != 0:
        return
    from webcloud.supervising import account

    service = account.existing_account()
    owner = (config.state_dir / "controller").stat().st_uid
    if service is not None and owner == service.uid:
        account.become(service)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise NotFound(
            f"The database at {path} belongs to somebody else.",
            next_step="Run the command with sudo.",
        ) from error


def _running(config: Config) -> dict[str, str]:
    try:
        found = json.loads((config.run_dir / "running.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
