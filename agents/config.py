"""Every setting of the agent, read once from WEBCLOUD_AGENT_* variables.

Nothing else in ``agents`` reads the environment.  Paths derive from the state
and run directories, so that two agents on one machine (as in tests) share
nothing.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

VIRT_CHOICES = ("auto", "kvm", "qemu", "test")


@dataclass(frozen=True)
class AgentConfig:
    """The settings of one agent. ``controller`` is an http(s) URL without a path."""

    controller: str
    name: str
    state_dir: Path = Path("/var/lib/webcloud/agent")
    run_dir: Path = Path("/run/webcloud/agent")
    virt: str = "auto"
    credential_file: Path = Path("/var/lib/webcloud/agent/credential")
    join_token_file: Path | None = None
    ca_file: Path | None = None  # whose certificates an https controller is believed with
    libvirt_uri: str = ""
    console_group: str = "webcloud"
    log_level: str = "INFO"
    survey_seconds: float = 15.0

    @classmethod
    def from_environment(cls, environ: dict[str, str] | None = None) -> AgentConfig:
        """Raises ValueError naming the variable that is missing or wrong."""
        source = dict(os.environ) if environ is None else environ

        def read(name: str, default: str = "") -> str:
            return source.get(f"WEBCLOUD_AGENT_{name}", "") or default

        controller = read("CONTROLLER").rstrip("/")
        if not controller.startswith(("http://", "https://")):
            raise ValueError(
                "WEBCLOUD_AGENT_CONTROLLER must be the controller's address, "
                f"such as https://cloud.example:8774, not {controller!r}"
            )
        virt = read("VIRT", "auto")
        if virt not in VIRT_CHOICES:
            raise ValueError(
                f"WEBCLOUD_AGENT_VIRT must be one of {', '.join(VIRT_CHOICES)}, not {virt!r}"
            )
        text = read("SURVEY_SECONDS", str(cls.survey_seconds))
        seconds = float(text) if re.fullmatch(r"\d{1,4}(\.\d+)?", text) else 0.0
        if seconds <= 0:
            raise ValueError(
                f"WEBCLOUD_AGENT_SURVEY_SECONDS must be a number of seconds, not {text!r}"
            )
        state_dir = Path(read("STATE_DIR", str(cls.state_dir)))
        token, ca_file = read("JOIN_TOKEN_FILE"), read("CA_FILE")
        return cls(
            controller=controller,
            name=read("NAME", socket.gethostname()),
            state_dir=state_dir,
            run_dir=Path(read("RUN_DIR", str(cls.run_dir))),
            virt=virt,
            credential_file=Path(read("CREDENTIAL_FILE", str(state_dir / "credential"))),
            join_token_file=Path(token) if token else None,
            ca_file=Path(ca_file) if ca_file else None,
            libvirt_uri=read("LIBVIRT_URI"),
            console_group=read("CONSOLE_GROUP", cls.console_group),
            log_level=read("LOG_LEVEL", cls.log_level),
            survey_seconds=seconds,
        )

    @property
    def images_dir(self) -> Path:
        return self.state_dir / "images"

    @property
    def instances_dir(self) -> Path:
        return self.state_dir / "instances"

    @property
    def networks_dir(self) -> Path:
        return self.state_dir / "networks"

    @property
    def journal_file(self) -> Path:
        return self.state_dir / "journal.sqlite"

    @property
    def console_socket(self) -> Path:
        return self.run_dir / "consoles.sock"
