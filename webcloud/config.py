"""Every setting: its type, its default and its meaning in one line.

A setting comes from the environment as ``WEBCLOUD_<NAME>``; ``webcloud up``
sets what it was told on its command line.  Nothing else in the project reads
the environment.  This module imports nothing of webcloud.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


def setting(default: Any, meaning: str) -> Any:
    """A dataclass field whose metadata says what it is for (docs are tested on it)."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Config:
    """The settings of one process, read once at start."""

    state_dir: Path = setting(Path("/var/lib/webcloud"), "Where everything durable lives.")
    run_dir: Path = setting(Path("/run/webcloud"), "Where sockets and pid files live.")
    listen: str = setting("127.0.0.1:8774", "HOST:PORT of the one port for users and agents.")
    public_url: str = setting("", "The address users see; default http://LISTEN.")
    database_url: str = setting("", "SQLAlchemy URL; default SQLite in the state directory.")
    message_queue: str = setting("", "amqp:// URL, needed with more than one controller only.")
    virt: str = setting("auto", "auto, kvm, qemu or test: what the local agent runs guests on.")
    admin_password: str = setting(
        "", "Password that user admin is given at each start, whatever it was."
    )
    region: str = setting("RegionOne", "The region's name in the service catalog.")
    threads: int = setting(1000, "Threads of the web server; every open page and agent holds one.")
    conductor_workers: int = setting(4, "Threads that carry out operations.")
    token_hours: int = setting(12, "Lifetime of an API token, in hours.")
    session_hours: int = setting(12, "Lifetime of a browser session, in hours.")
    login_attempts: int = setting(10, "Failed logins per minute allowed for one name or address.")
    image_max_gb: int = setting(50, "The largest image that may be stored, in GB.")
    unique_instance_names: bool = setting(
        True, "Refuse a second instance of the same name within a project."
    )
    start_after_host_boot: bool = setting(
        True, "Start again what ran on a host when its machine has been started anew."
    )
    default_cidr: str = setting("10.77.0.0/24", "Addresses of the default network.")
    default_dns: str = setting("", "Name servers given to guests, comma separated.")
    import_allow_private: bool = setting(
        False, "Let image imports by URL reach private and loopback addresses."
    )
    cpu_ratio: float = setting(16.0, "How many times over a host's processors may be promised.")
    memory_ratio: float = setting(1.0, "How many times over a host's memory may be promised.")
    disk_ratio: float = setting(1.0, "How many times over a host's disk may be promised.")
    weight_spread: float = setting(1.0, "How much placement prefers hosts with memory free.")
    weight_pack: float = setting(0.0, "How much placement prefers hosts that are full already.")
    weight_image_cached: float = setting(0.5, "How much placement prefers hosts with the image.")
    weight_soft_affinity: float = setting(
        4.0, "How much placement obeys the soft policies of server groups."
    )
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def from_environment(cls, environ: dict[str, str] | None = None) -> Config:
        """Read WEBCLOUD_* variables; raises ValueError naming the one that is wrong."""
        source = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for item in fields(cls):
            raw = source.get(f"WEBCLOUD_{item.name.upper()}")
            if raw is not None and raw != "":
                values[item.name] = _convert(item.name, raw, item.default)
        return cls(**values)

    def with_defaults_filled(self) -> Config:
        """The same settings with the ones that derive from others worked out."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["public_url"] = (self.public_url or f"http://{self.listen}").rstrip("/")
        values["database_url"] = self.database_url or f"sqlite:///{self.database_file}"
        return Config(**values)

    @property
    def database_file(self) -> Path:
        return self.state_dir / "controller" / "webcloud.sqlite"

    @property
    def image_dir(self) -> Path:
        return self.state_dir / "controller" / "images"

    @property
    def transfer_dir(self) -> Path:
        """Where disks lie for a while on their way from one host to another."""
        return self.state_dir / "controller" / "transfers"

    @property
    def proxy_socket(self) -> Path:
        """Where the controller hands accepted console sockets to the proxy."""
        return self.run_dir / "proxy" / "handover.sock"

    @property
    def console_socket(self) -> Path:
        """Where the agent of this host opens guests' consoles for the proxy."""
        return self.run_dir / "agent" / "consoles.sock"


def _convert(name: str, raw: str, default: Any) -> Any:
    if isinstance(default, bool):
        if raw.lower() in ("1", "true", "yes", "on"):
            return True
        if raw.lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError(f"WEBCLOUD_{name.upper()} must be true or false, not {raw!r}")
    if isinstance(default, int):
        try:
            return int(raw)
        except ValueError as error:
            raise ValueError(
                f"WEBCLOUD_{name.upper()} must be a whole number, not {raw!r}"
            ) from error
    if isinstance(default, float):
        try:
            number = float(raw)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"WEBCLOUD_{name.upper()} must be a number from 0, not {raw!r}")
        return number
    if isinstance(default, Path):
        return Path(raw)
    return raw
