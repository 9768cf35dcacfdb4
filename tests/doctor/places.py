"""A place of its own for an installation that is looked at, and how findings are read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from webcloud import migrations
from webcloud.config import Config
from webcloud.db import Database
from webcloud.doctor.finding import Finding


def states(findings: Iterator[Finding]) -> list[str]:
    return [finding.state for finding in findings]


def place(tmp_path: Path) -> Config:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = tmp_path / "doctor"
    return Config(
        state_dir=state, run_dir=state / "run", listen=f"127.0.0.1:{port}"
    ).with_defaults_filled()


def database_of(config: Config) -> Database:
    config.database_file.parent.mkdir(parents=True)
    migrations.upgrade(config.database_url)
    return Database(config.database_url)
