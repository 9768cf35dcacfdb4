"""A stored description is read whatever somebody has made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.compute import definitions
from agents.compute.domain_xml import GuestFiles, HostFacts, build
from agents.wire.commands import Domain, Interface
from agents.wire.reports import Definition

ID = "11111111-1111-4111-8111-111111111111"
DISK, DRIVE = Path("/i/disk"), Path("/i/config.iso")
GUEST = Domain(
    ID, "vm", "p", vcpus=2, memory_mb=64, boot=7,
    interfaces=(Interface("33333333-3333-4333-8333-333333333333", "fa:16:3e:00:00:01", "br4"),),
)  # fmt: skip


class Stored:
    """As much of a guest as is read here."""

    uuid = ID

    def __init__(self, xml: str, name: str = f"wc-{ID}") -> None:
        self._xml, self.name = xml, name

    def stored_xml(self) -> str:
        return self._xml


def read(xml: str, name: str = f"wc-{ID}") -> Definition:
    return definitions.read(Stored(xml, name), DISK, DRIVE)  # type: ignore[arg-type]


def built() -> str:
    files = GuestFiles(str(DISK), "/i/log", config_drive=str(DRIVE))
    text = build(GUEST, HostFacts("qemu", "x86_64"), files)
    # What libvirt makes of it: KiB, and the memory to begin with said as well.
    return text.replace(
        '<memory unit="MiB">64</memory>',
        "<memory unit='KiB'>65536</memory><currentMemory unit='KiB'>65536</currentMemory>",
    )


def test_what_was_built_is_read_back() -> None:
    card = "tap33333333333 fa:16:3e:00:00:01 br4"
    assert read(built()) == Definition(ID, 65536, 65536, 2, 2, 7, "qcow2", cards=(card,))


def test_nothing_is_taken_for_granted() -> None:
    assert read("<domain/>", "by-hand") == Definition(
        ID, 0, 0, 0, 0, 0, "", name="by-hand", disk="-", config_drive="-"
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("<vcpu>2<", "<vcpu current='1'>2<", "first_vcpus", 1),
        ("<vcpu>2<", "<vcpu> x <", "vcpus", 0),
        ('boot="7"', 'boot="x"', "boot", 0),
        ('<source file="/i/disk" />', '<source dev="/dev/sda" />', "disk", "-"),
        ('<source bridge="br4" />', "", "cards", ("tap33333333333 fa:16:3e:00:00:01 -",)),
    ],
)
def test_an_edit_shows_in_its_field(old: str, new: str, field: str, value: object) -> None:
    assert old in built()
    assert getattr(read(built().replace(old, new)), field) == value
