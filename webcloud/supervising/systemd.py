"""The agent as a service of systemd, on machines that have it.

The service is the agent itself, without a supervisor of ours: systemd starts
it again and at boot.  DHCP servers that the agent has started outlive it, so
only its own process is ended.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from webcloud.config import Config
from webcloud.supervising import agent_settings, programs
from webcloud.supervising.checks import CannotStart

RUNNING = Path("/run/systemd/system")
UNIT = Path("/etc/systemd/system/webcloud-agent.service")


def is_there() -> bool:
    """Whether systemd runs this machine."""
    return RUNNING.is_dir()


def unit(config: Config) -> str:
    """The unit file. Paths are quoted as systemd wants them."""
    command = " ".join(_quoted(part) for part in (*programs.PYTHON, "agents"))
    return f"""\
[Unit]
Description=webcloud agent
Wants=network-online.target libvirtd.service
After=network-online.target libvirtd.service

[Service]
EnvironmentFile={agent_settings.path(config)}
Environment=PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2
ExecStart={command}
Restart=always
RestartSec=1
KillMode=process

[Install]
WantedBy=multi-user.target
"""


def install(config: Config, path: Path = UNIT) -> None:
    """Write the unit and have it run now and at boot. Raises CannotStart."""
    path.write_text(unit(config), encoding="utf-8")
    path.chmod(0o644)
    for arguments in (["daemon-reload"], ["enable", path.name], ["restart", path.name]):
        done = subprocess.run(
            ["systemctl", *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise CannotStart(
                f"systemctl {' '.join(arguments)} failed: {done.stderr.strip()[-300:]}",
                next_step=f"Look at: systemctl status {path.name}",
            )


def _quoted(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
