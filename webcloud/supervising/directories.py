"""The directories of the state and run trees, with their owners and modes.

Only the agent's and the controller's own folders can be listed by them; the
trees above may be passed through but not listed, because QEMU runs as a user
of its own and must reach its disks.
"""

from __future__ import annotations

import os
from pathlib import Path

from webcloud.config import Config
from webcloud.supervising.account import Account


def prepare(config: Config, account: Account | None) -> None:
    """Create what is missing and set owner and mode of what is there."""
    prepare_for_agent(config, account)
    _directory(config.state_dir / "controller", 0o750, owner=account)
    _directory(config.run_dir / "proxy", 0o750, owner=account)


def prepare_for_agent(config: Config, account: Account | None) -> None:
    """The same for a machine that has an agent only."""
    state, run = config.state_dir, config.run_dir
    _directory(state, 0o711)
    _directory(state / "agent", 0o711)
    _directory(state / "logs", 0o750)
    _directory(run, 0o711)
    _directory(run / "pids", 0o700)
    # Set-group-id: the agent's socket belongs to the proxy's group at birth.
    _directory(run / "agent", 0o2750, group=account)


def _directory(
    path: Path, mode: int, *, owner: Account | None = None, group: Account | None = None
) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        uid = owner.uid if owner else 0
        gid = owner.gid if owner else group.gid if group else 0
        os.chown(path, uid, gid)
    path.chmod(mode)
