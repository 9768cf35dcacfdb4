"""Two installations on one libvirt leave each other's guests alone."""

from __future__ import annotations

import uuid

import pytest

from agents.compute import domains
from agents.compute.domain_xml import GuestFiles, HostFacts
from agents.compute.metadata import NAMESPACE, parse
from agents.compute.states import DomainWatcher, sort_domains
from agents.errors import AgentError
from agents.libvirt_host import LibvirtHost
from agents.wire.commands import Domain
from tests.support.two_agents import hosts

__all__ = ["hosts"]

FACTS, FILES = HostFacts("test", "x86_64"), GuestFiles("/nowhere/disk", "/nowhere/console.log")


def guest_of(host: LibvirtHost, boot: int = 1) -> Domain:
    domain = Domain(str(uuid.uuid4()), "theirs", "project", 1, 64, boot, disk_format="raw")
    domains.ensure_running(host, FACTS, domain, FILES)
    return domain


def test_a_guest_belongs_to_the_host_that_made_it(
    hosts: tuple[LibvirtHost, LibvirtHost],
) -> None:
    ours, theirs = hosts
    domain = guest_of(theirs)
    try:
        found = sort_domains(ours)
        assert domain.instance_id not in {state.instance_id for state in found.ours}
        assert f"wc-{domain.instance_id}" in [guest.name for guest in found.foreign]
        assert f"wc-{domain.instance_id}" not in found.unknown, "another webcloud made it"
        assert domain.instance_id in {state.instance_id for state in sort_domains(theirs).ours}
        assert DomainWatcher(ours).changed({domain.instance_id}) is None
    finally:
        domains.ensure_absent(theirs, domain.instance_id)


def test_another_hosts_guest_is_neither_stopped_nor_removed_nor_redefined(
    hosts: tuple[LibvirtHost, LibvirtHost],
) -> None:
    ours, theirs = hosts
    domain = guest_of(theirs)
    try:
        for touch in (
            lambda: domains.ensure_absent(ours, domain.instance_id),
            lambda: domains.ensure_running(ours, FACTS, domain, FILES),
        ):
            with pytest.raises(AgentError, match="not ours"):
                touch()
        guest = theirs.find(domain.instance_id)
        assert guest is not None
        assert guest.active()
    finally:
        domains.ensure_absent(theirs, domain.instance_id)
    assert theirs.find(domain.instance_id) is None


def test_a_new_boot_number_keeps_the_owner(hosts: tuple[LibvirtHost, LibvirtHost]) -> None:
    ours, _ = hosts
    domain = guest_of(ours)
    try:
        again = Domain(domain.instance_id, "theirs", "project", 1, 64, 5, disk_format="raw")
        domains.ensure_running(ours, FACTS, again, FILES)
        guest = ours.find(domain.instance_id)
        assert guest is not None
        known = parse(guest.metadata(NAMESPACE))
        assert known is not None
        assert (known.boot, known.host) == (5, ours.owner)
    finally:
        domains.ensure_absent(ours, domain.instance_id)
