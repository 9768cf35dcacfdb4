"""What is told about guests that come and go while they are looked at."""

from __future__ import annotations

import uuid

from agents.compute.domain_xml import GuestFiles, HostFacts, build
from agents.compute.states import DomainWatcher
from agents.libvirt_host import TEST, Guest, LibvirtHost
from agents.wire.commands import Domain

ID = str(uuid.uuid4())


class Vanishing(LibvirtHost):
    """A host on which a domain is removed right after it was found."""

    def find(self, uuid: str) -> Guest | None:
        guest = super().find(uuid)
        if guest is not None:
            guest.undefine()
        return guest


def test_a_guest_removed_while_it_is_read_is_told_as_gone() -> None:
    host = Vanishing(TEST, lambda _instance_id: None)
    host.start()
    try:
        domain = Domain(ID, "brief", "project", 1, 64, 1, disk_format="raw", image_id="")
        files = GuestFiles("/nowhere/disk", "/nowhere/console.log")
        host.define(build(domain, HostFacts("test", "x86_64"), files))
        told = DomainWatcher(host).changed({ID})
    finally:
        host.stop()
    assert told is not None
    assert told.gone == (ID,)
    assert told.domains == ()
