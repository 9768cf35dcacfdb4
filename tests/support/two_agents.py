"""Two agents' connections to one libvirt: its test driver, whose domains a process shares."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from agents.libvirt_host import TEST, LibvirtHost


@pytest.fixture
def hosts() -> Iterator[tuple[LibvirtHost, LibvirtHost]]:
    """Each with an owner's id of its own."""
    pair = tuple(LibvirtHost(TEST, lambda _id: None, str(uuid.uuid4())) for _ in range(2))
    for host in pair:
        host.start()
    yield pair[0], pair[1]
    for host in pair:
        host.stop()
