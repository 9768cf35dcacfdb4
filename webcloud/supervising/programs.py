"""What to run: the three kinds of process, each with its user, log and settings."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from webcloud.config import Config
from webcloud.supervising.account import Account

# -P: whatever lies in the working directory must never be imported.
PYTHON = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class Program:
    """One process to keep alive. ``account`` None means as the supervisor itself."""

    name: str
    argv: tuple[str, ...]
    environ: dict[str, str]
    log: Path
    account: Account | None = None
    pass_fds: tuple[int, ...] = ()
    stop_seconds: float = 8.0


def environment(config: Config) -> dict[str, str]:
    """The settings every child is told, on top of what the supervisor was given."""
    environ = {k: v for k, v in os.environ.items() if k != "WEBCLOUD_ADMIN_PASSWORD"}
    environ.update(
        WEBCLOUD_STATE_DIR=str(config.state_dir),
        WEBCLOUD_RUN_DIR=str(config.run_dir),
        WEBCLOUD_LISTEN=config.listen,
        WEBCLOUD_VIRT=config.virt,
        HOME=str(config.state_dir / "controller"),
        PYTHONUNBUFFERED="1",
        # Many threads with small heaps: glibc would otherwise keep an arena for each.
        MALLOC_ARENA_MAX="2",
    )
    return environ


def agent(config: Config, join_token_file: Path, account: Account | None) -> Program:
    """The agent of this host; the only one that stays root."""
    environ = environment(config)
    environ.pop("WEBCLOUD_DATABASE_URL", None)  # An agent never sees the database.
    environ.update(
        WEBCLOUD_AGENT_CONTROLLER=local_address(config),
        WEBCLOUD_AGENT_NAME=host_name(),
        WEBCLOUD_AGENT_STATE_DIR=str(config.state_dir / "agent"),
        WEBCLOUD_AGENT_RUN_DIR=str(config.run_dir / "agent"),
        WEBCLOUD_AGENT_VIRT=config.virt,
        WEBCLOUD_AGENT_JOIN_TOKEN_FILE=str(join_token_file),
        WEBCLOUD_AGENT_LOG_LEVEL=config.log_level,
        HOME="/root" if account else environ["HOME"],
    )
    return Program("agent", (*PYTHON, "agents"), environ, log_file(config, "agent"))


def lone_agent(config: Config, settings: dict[str, str]) -> Program:
    """The agent of a machine without a controller; ``settings`` are its agent.env."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WEBCLOUD_")}
    environ.update(settings, PYTHONUNBUFFERED="1", MALLOC_ARENA_MAX="2")
    return Program("agent", (*PYTHON, "agents"), environ, log_file(config, "agent"))


def proxy(config: Config, account: Account | None) -> Program:
    """The console relay."""
    environ = environment(config)
    environ.pop("WEBCLOUD_DATABASE_URL", None)
    argv = (*PYTHON, "webcloud", "proxy")
    return Program("proxy", argv, environ, log_file(config, "proxy"), account)


def controller(config: Config, account: Account | None, listener: socket.socket) -> Program:
    """The web server with the conductor, on the port that the supervisor holds."""
    number = listener.fileno()
    return Program(
        "controller",
        (*PYTHON, "webcloud", "web", "--fd", str(number)),
        environment(config),
        log_file(config, "controller"),
        account,
        pass_fds=(number,),
    )


def log_file(config: Config, name: str) -> Path:
    return config.state_dir / "logs" / f"{name}.log"


def host_name() -> str:
    """The name under which this machine is enrolled."""
    return socket.gethostname()


def local_address(config: Config) -> str:
    """How a process on this machine reaches the controller."""
    host, _, port = config.listen.rpartition(":")
    if host in ("", "0.0.0.0"):
        host = "127.0.0.1"
    elif host in ("[::]", "::"):
        host = "[::1]"
    return f"http://{host}:{port}"
