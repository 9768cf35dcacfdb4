"""Which function carries out which verb.

``build_handlers`` makes the table from the parts of this host.  On a host
with the test driver there is nothing to plug a tap into, so the network's
verbs have nothing to do there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import outbox
from agents.compute import console_log, domains
from agents.compute.domain_xml import HostFacts
from agents.controller_api import ControllerApi
from agents.dispatch import Handler, Task
from agents.errors import AgentError
from agents.libvirt_host import LibvirtHost
from agents.network.networks import Networks
from agents.storage.config_drive import write_config_drive
from agents.storage.disks import CONFIG_DRIVE, DISK, SERIAL_LOG, InstanceFiles
from agents.storage.images import ImageCache
from agents.storage.receiving import receive_disk
from agents.storage.sending import send_disk
from agents.survey import take_survey
from agents.wire import commands as wire
from agents.wire.codec import decode, encode


@dataclass(frozen=True)
class HostParts:
    """``networks`` is None on a host with the test driver. ``facts`` may have to probe."""

    libvirt: LibvirtHost
    facts: Callable[[], HostFacts]
    images: ImageCache
    instances: InstanceFiles
    networks: Networks | None
    api: ControllerApi


def build_handlers(parts: HostParts) -> dict[str, Handler]:
    """Verb to function; every key of ``agents.wire.commands.VERBS`` is there."""
    handlers: dict[str, Handler] = {
        "ensure_image": lambda order, task: parts.images.ensure(order, task.progress),
        "ensure_image_absent": lambda order, _: parts.images.ensure_absent(order.image_id),
        "ensure_disk": lambda order, _: parts.instances.ensure_disk(order),
        "ensure_config_drive": lambda order, _: _config_drive(parts, order),
        "ensure_disk_absent": lambda order, _: parts.instances.ensure_absent(order.instance_id),
        "ensure_running": lambda order, _: _running(parts, order),
        "ensure_defined": lambda order, _: _defined(parts, order),
        "ensure_stopped": lambda order, task: domains.ensure_stopped(
            parts.libvirt, order.instance_id, order.grace_seconds, task
        ),
        "ensure_domain_absent": lambda order, _: domains.ensure_absent(
            parts.libvirt, order.instance_id
        ),
        "send_disk": lambda order, task: _send(parts, order, task),
        "receive_disk": lambda order, task: receive_disk(
            parts.instances, parts.images, order, parts.api, task
        ),
        "read_console_log": lambda order, _: _console_log(parts, order),
        "survey": lambda order, _: encode(
            take_survey(parts.libvirt, parts.images, parts.instances, parts.networks)
        ),
    }
    handlers |= _network_handlers(parts.networks)
    return handlers | {"batch": lambda order, task: _batch(handlers, order, task)}


def _batch(handlers: dict[str, Handler], order: wire.Batch, task: Task) -> dict[str, Any]:
    """Part after part; a newer command or a withdrawal ends it between two of them."""
    results: dict[str, Any] = {}
    for part in order.parts:
        task.check()
        handler = handlers.get(part.verb)
        if handler is None:
            raise AgentError("bad_command", f"unknown verb {part.verb!r} in a batch")
        results[part.name] = handler(decode(wire.VERBS[part.verb], part.payload), task)
    return results


def _network_handlers(networks: Networks | None) -> dict[str, Handler]:
    if networks is None:
        verbs = ("ensure_network", "ensure_network_absent", "ensure_port", "ensure_port_absent")
        return dict.fromkeys(verbs, _nothing_to_plug)
    return {
        "ensure_network": lambda order, _: networks.ensure(order),
        "ensure_network_absent": lambda order, _: networks.ensure_absent(order.network_id),
        "ensure_port": lambda order, _: networks.ensure_port(order),
        "ensure_port_absent": lambda order, _: networks.ensure_port_absent(order),
    }


def _nothing_to_plug(_order: Any, _task: Task) -> dict[str, Any]:
    return {}


def _config_drive(parts: HostParts, order: wire.EnsureConfigDrive) -> dict[str, Any]:
    folder = parts.instances.ensure_folder(order.instance_id)
    write_config_drive(folder / CONFIG_DRIVE, order.files)
    return {}


def _running(parts: HostParts, order: wire.EnsureRunning) -> dict[str, Any]:
    files = parts.instances.of_guest(order.domain)
    return domains.ensure_running(parts.libvirt, parts.facts(), order.domain, files)


def _defined(parts: HostParts, order: wire.EnsureDefined) -> dict[str, Any]:
    files = parts.instances.of_guest(order.domain)
    return domains.ensure_defined(parts.libvirt, parts.facts(), order.domain, files)


def _send(parts: HostParts, order: wire.SendDisk, task: Task) -> dict[str, Any]:
    guest = domains.find_ours(parts.libvirt, order.instance_id)
    if guest is not None and guest.active():
        raise AgentError("libvirt", "The instance is running, so its disk changes.", True)
    disk = parts.instances.folder_of(order.instance_id) / DISK
    return send_disk(disk, order, parts.api, task)


def _console_log(parts: HostParts, order: wire.ReadConsoleLog) -> dict[str, Any]:
    log: Path = parts.instances.folder_of(order.instance_id) / SERIAL_LOG
    return {"output": outbox.last_that_fits(console_log.read_tail(log, order.max_bytes))}
