"""Asks every hop in order.

Refuses to ask as somebody who may not see the answers: to them a healthy
cloud would look broken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from webcloud.config import Config
from webcloud.doctor import guest, installation, machine
from webcloud.doctor.finding import Finding, failing
from webcloud.supervising.own_command import typed

MACHINE = (
    machine.packages,
    machine.qemu_age,
    machine.virtualisation,
    machine.libvirt,
    machine.network_tools,
)
INSTALLATION = (
    installation.service_user,
    installation.directories,
    installation.disk_space,
    installation.database,
    installation.port,
    installation.controller,
    installation.agents,
    installation.proxy,
    installation.console_socket,
    guest.console,
)


def examine(config: Config) -> Iterator[Finding]:
    """Every finding, first the machine's unless no machines are run on it."""
    if config.virt != "test" and os.geteuid() != 0:
        yield failing(
            "rights",
            "only root may look at libvirt, the network's rules and the database",
            f"run as root: {typed('doctor')}",
        )
        return
    for check in (() if config.virt == "test" else MACHINE) + INSTALLATION:
        yield from check(config)
