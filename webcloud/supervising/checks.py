"""What must be true before anything is started, each refusal with its remedy.

Nothing is changed here.  What can only be known by trying (whether KVM works,
whether libvirt answers) is tried elsewhere.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from webcloud.config import Config
from webcloud.errors import WebcloudError
from webcloud.supervising.own_command import typed

VIRT_CHOICES = ("auto", "kvm", "qemu", "test")
UNIX_PATH_LIMIT = 107  # bytes in sockaddr_un.sun_path before the closing zero

# Program to look for, and the Debian package that brings it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "libvirtd": "libvirt-daemon-system",
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "ip": "iproute2",
    "tini": "tini",
}
# Where systemd runs, it clears away what has ended.
SYSTEMD = Path("/run/systemd/system")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CannotStart(WebcloudError):
    """webcloud cannot start here; the next step says what to do about it."""


def check(config: Config) -> None:
    """Raises CannotStart naming what is missing."""
    if config.virt not in VIRT_CHOICES:
        raise CannotStart(
            f"--virt {config.virt} is unknown.",
            next_step=f"Choose one of {', '.join(VIRT_CHOICES)}.",
        )
    check_socket_paths(config)
    if config.virt != "test":
        check_machine()


def check_machine() -> None:
    """Raises CannotStart unless virtual machines can be run here."""
    if os.geteuid() != 0:
        raise CannotStart(
            "Running virtual machines needs root.",
            next_step="Run: sudo make run, or make run in a root shell (su -) - or look "
            "around without machines: " + typed("up --virt test --state ~/webcloud-state"),
        )
    missing = missing_packages()
    if missing:
        raise CannotStart(
            "Packages that virtual machines need are missing.",
            next_step=f"Run: make setup - or: apt-get install {' '.join(missing)}",
        )


def missing_packages() -> list[str]:
    """The packages of programs that are needed on this machine and are not there."""
    skipped = {"tini"} if SYSTEMD.is_dir() else set()
    return sorted({PROGRAMS[name] for name in PROGRAMS.keys() - skipped if not found(name)})


def found(program: str) -> str | None:
    """The path of an installed program, also from a user's PATH without sbin."""
    return shutil.which(program, path=SEARCH_PATH)


def check_socket_paths(config: Config) -> None:
    """Unix sockets have short names; a deep state directory would not fit."""
    longest = max(len(os.fsencode(p)) for p in (config.proxy_socket, config.console_socket))
    if longest > UNIX_PATH_LIMIT:
        raise CannotStart(
            f"The path {config.run_dir} is too long for the sockets in it.",
            next_step="Choose a shorter --state directory.",
        )


def listening_socket(listen: str) -> socket.socket:
    """The one port, bound here so that it stays open while the controller restarts.

    Raises CannotStart when the address is wrong or taken.
    """
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise CannotStart(
            f"--listen {listen} is not HOST:PORT.", next_step="For example 127.0.0.1:8774."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), int(port)))
    except (OSError, UnicodeError) as error:
        listener.close()
        raise CannotStart(
            f"Cannot listen on {listen}: {error}.",
            next_step="Stop what uses it (ss -ltnp shows it), or choose another --listen.",
        ) from error
    listener.listen(1024)
    return listener


def free_bytes(path: Path) -> int:
    """Room left on the file system that holds ``path``, in bytes."""
    return shutil.disk_usage(path).free
