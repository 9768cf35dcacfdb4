"""What the guests are doing, as it is told to the controller.

Each domain is read on its own: one that libvirt cannot describe is left out
of a sweep with a warning and never stops it.  One lock and one counter give
every message its sequence, taken before the states are read, so that the
newest number always carries the newest truth.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from agents.compute.metadata import NAMESPACE, GuestMetadata, parse, parse_own
from agents.errors import AgentError
from agents.ids import is_id
from agents.libvirt_host import Guest, LibvirtHost
from agents.wire.commands import Command
from agents.wire.reports import DomainState, DomainStates, Report

log = logging.getLogger(__name__)

POWER_AFTER = {
    "ensure_running": "running",
    "ensure_stopped": "shutoff",
    "ensure_domain_absent": "absent",
}


class DomainWatcher:
    """Builds DomainStates messages; one per agent run."""

    def __init__(self, host: LibvirtHost) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._sequence = 0
        self.run_id = secrets.token_hex(8)

    def full(self) -> DomainStates:
        """All of our domains. Raises AgentError when libvirt does not answer."""
        with self._lock:
            found = sort_domains(self._host)
            self._sequence += 1
            # An unreadable domain may be one of ours, so the list is not complete.
            return DomainStates(
                self.run_id, self._sequence, not found.unreadable, tuple(found.ours)
            )

    def changed(
        self, instance_ids: set[str], known: Mapping[str, str] = MappingProxyType({})
    ) -> DomainStates | None:
        """What became of these; None when none concerns us or all are as ``known``."""
        with self._lock:
            states: list[DomainState] = []
            gone: list[str] = []
            for instance_id in sorted(instance_ids):
                if not is_id(instance_id):
                    continue
                guest = self._host.find(instance_id)
                try:
                    state = None if guest is None else _read(guest, self._host.owner)
                except AgentError:
                    # Most often it was removed since it was found.
                    guest = self._host.find(instance_id)
                    if guest is not None:
                        raise
                if guest is None:
                    gone.append(instance_id)
                elif state is not None:
                    states.append(state)
            states = [each for each in states if known.get(each.instance_id) != each.power]
            gone = [each for each in gone if known.get(each) != "absent"]
            if not states and not gone:
                return None
            self._sequence += 1
            return DomainStates(self.run_id, self._sequence, False, tuple(states), tuple(gone))


@dataclass
class Sorted:
    """The domains of a libvirt by whose they are.

    ``foreign`` are all that this host's agent did not make; ``unknown`` the
    names of those of them that no webcloud made.  ``transient`` are ids of
    ours that will be gone when they stop, ``defined`` the others of ours;
    ``unreadable`` are ids of whosever they are.
    """

    ours: list[DomainState] = field(default_factory=list)
    foreign: list[Guest] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    transient: list[str] = field(default_factory=list)
    defined: list[Guest] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def sort_domains(host: LibvirtHost) -> Sorted:
    """Raises AgentError when libvirt does not answer."""
    found = Sorted()
    for guest in host.guests():
        try:
            _sort(found, guest, host.owner)
        except AgentError as error:
            if host.find(guest.uuid) is not None:
                log.warning("a domain could not be read: %s", error)
                found.unreadable.append(guest.uuid)
    return found


def _sort(found: Sorted, guest: Guest, owner: str) -> None:
    metadata = parse(guest.metadata(NAMESPACE))
    if metadata is None or metadata.host != owner:
        found.foreign.append(guest)
        if metadata is None:
            found.unknown.append(guest.name)
        return
    state, persistent = _state(guest, metadata), guest.persistent()
    found.ours.append(state)
    if persistent:
        found.defined.append(guest)
    else:
        found.transient.append(guest.uuid)


def _read(guest: Guest, owner: str) -> DomainState | None:
    metadata = parse_own(guest.metadata(NAMESPACE), owner)
    return None if metadata is None else _state(guest, metadata)


def _state(guest: Guest, metadata: GuestMetadata) -> DomainState:
    power, reason = guest.power()
    return DomainState(guest.uuid, power, reason, metadata.boot)


def power_after(command: Command, report: Report) -> str | None:
    """The power that the report has told of the command's domain; None when it tells of none."""
    if report.status != "done":
        return None
    parts = command.payload.get("parts", [{"verb": command.verb}])
    told = [POWER_AFTER[part["verb"]] for part in parts if part["verb"] in POWER_AFTER]
    return told[-1] if told else None
