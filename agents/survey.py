"""Everything on this host that is named after a webcloud resource.

Read from the things themselves (libvirt, folders, devices, processes,
nftables), never from the journal, so that a difference to what the
controller believes can be found.  Several installations can share a machine:
guests that another one made count as foreign, and taps that are on a bridge of
others, or in a guest of others, are left out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

from agents.compute import definitions
from agents.compute.states import Sorted, sort_domains
from agents.errors import AgentError
from agents.libvirt_host import LibvirtHost
from agents.network import bridges
from agents.network.networks import Networks
from agents.storage.disks import CONFIG_DRIVE, DISK, InstanceFiles
from agents.storage.images import ImageCache
from agents.wire.reports import Definition, SurveyResult

log = logging.getLogger(__name__)

# Longer than libvirt takes from making a tap to plugging it in, on a busy machine.
PLUGGED_SECONDS = 1.0


def take_survey(
    host: LibvirtHost, images: ImageCache, instances: InstanceFiles, networks: Networks | None
) -> SurveyResult:
    """Raises AgentError when libvirt does not answer. ``networks`` is None on test hosts."""
    found = sort_domains(host)
    defined = tuple(_definitions(host, found, instances))
    with_files, strays = instances.present()
    survey = SurveyResult(
        domains=tuple(found.ours),
        foreign_domains=tuple(sorted(_readable(guest.name) for guest in found.foreign)),
        disk_instances=with_files,
        stray_files=tuple(_readable(name) for name in strays + images.strays()),
        cached_images=images.cached(),
        without_disk=instances.without(DISK),
        without_config_drive=instances.without(CONFIG_DRIVE),
        transient_domains=tuple(sorted(found.transient)),
        unknown_domains=tuple(sorted(_readable(name) for name in found.unknown)),
        unreadable_domains=tuple(sorted(found.unreadable)),
        definitions=defined,
    )
    if networks is None:
        # The test driver comes with a domain of its own.
        return replace(survey, unknown_domains=())
    return replace(
        survey,
        taps=_taps(host, networks),
        bridges=bridges.devices("br"),
        leases=networks.leases(),
        dhcp_networks=networks.dhcp_alive(),
        nat_networks=networks.ruled(),
    )


def _definitions(
    host: LibvirtHost, found: Sorted, instances: InstanceFiles
) -> Iterator[Definition]:
    """In the order of their ids; one that cannot be read is added to ``found.unreadable``."""
    for guest in sorted(found.defined, key=lambda each: each.uuid):
        try:
            folder = instances.folder_of(guest.uuid)
            yield definitions.read(guest, folder / DISK, folder / CONFIG_DRIVE)
        except AgentError as error:
            if host.find(guest.uuid) is not None:
                log.warning("a domain's description could not be read: %s", error)
                found.unreadable.append(guest.uuid)


def _readable(name: str) -> str:
    """A file's name may hold bytes that are no text; JSON and databases take text only."""
    return name.encode("utf-8", "replace").decode()


def _taps(host: LibvirtHost, networks: Networks) -> tuple[str, ...]:
    own = {network.bridge for network in networks.stored()}
    found = _bridges()
    if None in found.values():
        # A tap is made first and plugged in then, those of other installations as well.
        time.sleep(PLUGGED_SECONDS)
        later = _bridges()
        found = {tap: bridge for tap, bridge in later.items() if bridge or tap in found}
    loose = {tap for tap, bridge in found.items() if bridge is None}
    if loose:
        # Those of another installation whose bridge is being mended; or just removed.
        loose -= _of_others(host)
        loose = {tap for tap in loose if bridges.exists(tap)}
    return tuple(tap for tap, bridge in found.items() if bridge in own or tap in loose)


def _bridges() -> dict[str, str | None]:
    return {tap: bridges.bridge_of(tap) for tap in bridges.devices("tap")}


def _of_others(host: LibvirtHost) -> set[str]:
    """The taps of guests that this host's agent did not make."""
    found: set[str] = set()
    for guest in sort_domains(host).foreign:
        try:
            found |= definitions.taps(guest)
        except AgentError as error:
            log.warning("a foreign domain's description could not be read: %s", error)
    return found
