"""Have a guest running, defined, stopped or gone.

``ensure_running`` on a guest that runs already never restarts it: if it runs
an older boot, its metadata takes the new number, so that the number told by
the host and the one a console token is bound to are again the same.  A domain
of the same id that does not carry this host's metadata is foreign and refused.
Files are left alone here; see ``agents.storage``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from agents.compute.domain_xml import GuestFiles, HostFacts, build
from agents.compute.metadata import NAMESPACE, PREFIX, parse, parse_own, to_text
from agents.dispatch import Task
from agents.errors import AgentError
from agents.ids import checked_id
from agents.libvirt_host import Guest, LibvirtHost
from agents.wire.commands import Domain

ACPI_REPEAT_SECONDS, TIDYING_SECONDS = 3.0, 15.0


def ensure_running(
    host: LibvirtHost, facts: HostFacts, domain: Domain, files: GuestFiles
) -> dict[str, Any]:
    """Define the guest as described and start it, unless it runs already."""
    guest = find_ours(host, checked_id(domain.instance_id))
    if guest is not None and guest.active() and not _ended(host, guest):
        known = parse(guest.metadata(NAMESPACE))
        if known is not None and known.boot != domain.boot:
            guest.set_metadata(NAMESPACE, PREFIX, to_text(replace(known, boot=domain.boot)))
        return {"power": "running"}
    guest = host.define(build(domain, facts, files, host.owner))
    try:
        guest.start()
    except AgentError:
        # libvirtd may have started it for an earlier attempt that lost its answer.
        if not guest.active():
            raise
    return {"power": "running"}


def ensure_defined(
    host: LibvirtHost, facts: HostFacts, domain: Domain, files: GuestFiles
) -> dict[str, Any]:
    """Define the guest as described unless it is defined; it goes on running or not."""
    guest = find_ours(host, checked_id(domain.instance_id))
    if guest is None or not guest.persistent():
        guest = host.define(build(domain, facts, files, host.owner))
    return {"power": guest.power()[0]}


def ensure_stopped(
    host: LibvirtHost, instance_id: str, grace_seconds: int, task: Task
) -> dict[str, Any]:
    """ACPI first, repeated because a guest that still boots ignores it, then force."""
    guest = find_ours(host, checked_id(instance_id))
    if guest is None or not guest.active():
        return {"power": "shutoff", "forced": False}
    deadline = time.monotonic() + grace_seconds
    next_request = 0.0
    while time.monotonic() < deadline:
        task.check()
        now = time.monotonic()
        if now >= next_request:
            _request_shutdown(guest)
            next_request = now + ACPI_REPEAT_SECONDS
        host.wait_change(min(0.5, max(deadline - now, 0.01)))
        if not guest.active():
            return {"power": "shutoff", "forced": False}
    guest.destroy()
    return {"power": "shutoff", "forced": True}


def ensure_absent(host: LibvirtHost, instance_id: str) -> dict[str, Any]:
    """No domain of this id, running or defined."""
    guest = find_ours(host, checked_id(instance_id))
    if guest is not None:
        guest.destroy()
        guest.undefine()
    return {}


def find_ours(host: LibvirtHost, instance_id: str) -> Guest | None:
    """The instance's guest; raises AgentError when the UUID belongs to a foreign domain."""
    guest = host.find(instance_id)
    if guest is not None and parse_own(guest.metadata(NAMESPACE), host.owner) is None:
        raise AgentError(
            "libvirt", f"domain {guest.name} has this instance's id but is not ours", False
        )
    return guest


def _ended(host: LibvirtHost, guest: Guest) -> bool:
    """Whether the guest is off; one that libvirt is just tidying away is waited for."""
    deadline = time.monotonic() + TIDYING_SECONDS
    while guest.active() and guest.power()[0] == "shutoff" and time.monotonic() < deadline:
        host.wait_change(0.1)
    return not guest.active()


def _request_shutdown(guest: Guest) -> None:
    try:
        guest.shutdown()
    except AgentError:
        # The guest may be gone by now, or be one that cannot be asked; the
        # caller looks at its state next and forces it in the end.
        return
