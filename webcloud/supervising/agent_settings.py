"""The settings of an agent that runs without a controller beside it.

``agent.env`` in the agent's folder, readable by root alone: lines NAME=VALUE,
as systemd reads them too.  Secrets are not among them; the credential has a
file of its own.
"""

from __future__ import annotations

from pathlib import Path

from webcloud.config import Config
from webcloud.supervising.checks import CannotStart
from webcloud.supervising.credentials import write_private
from webcloud.supervising.own_command import typed


def path(config: Config) -> Path:
    return config.state_dir / "agent" / "agent.env"


def ca_path(config: Config) -> Path:
    """Our own copy of the authority that an https controller is believed with."""
    return config.state_dir / "agent" / "controller-ca.pem"


def of(config: Config, controller: str, name: str, *, own_authority: bool) -> dict[str, str]:
    """What an agent of this machine is told, as variables."""
    settings = {
        "WEBCLOUD_AGENT_CONTROLLER": controller,
        "WEBCLOUD_AGENT_NAME": name,
        "WEBCLOUD_AGENT_STATE_DIR": str(config.state_dir / "agent"),
        "WEBCLOUD_AGENT_RUN_DIR": str(config.run_dir / "agent"),
        "WEBCLOUD_AGENT_VIRT": config.virt,
        "WEBCLOUD_AGENT_LOG_LEVEL": config.log_level,
    }
    if own_authority:
        settings["WEBCLOUD_AGENT_CA_FILE"] = str(ca_path(config))
    return settings


def write(config: Config, settings: dict[str, str]) -> None:
    """Raises ValueError for a value that a line cannot hold."""
    for name, value in settings.items():
        if not value.isprintable() or value != value.strip():
            raise ValueError(f"{name} cannot be {value!r}")
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    write_private(path(config), "".join(lines))


def read(config: Config) -> dict[str, str]:
    """Raises CannotStart when this machine has not joined a cloud."""
    try:
        text = path(config).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CannotStart(
            f"This machine has not joined a cloud: there is no {path(config)}.",
            next_step="On the controller run: webcloud host add NAME - and run here what it "
            f"prints. ({typed('agent join --help')})",
        ) from error
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}
