"""The description of a guest: exact, and beyond the reach of any name.

``golden/*.xml`` is what each kind of guest looks like; a wanted change is
written there with WEBCLOUD_WRITE_GOLDEN=1 and read in the diff.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import libvirt
import pytest

from agents.compute.domain_xml import GuestFiles, HostFacts, build
from agents.compute.metadata import NAMESPACE, GuestMetadata, parse, to_text
from agents.errors import AgentError
from agents.libvirt_host import parse_xml
from agents.wire.commands import Domain, Interface

GOLDEN = Path(__file__).parent / "golden"
INSTANCE = "e549ebba-3e26-438c-8094-0acf1c7057f3"
CARD = Interface("0b869b65-22ac-4192-81ca-c5c529b221ef", "52:54:00:11:22:33", "bre2269046695", 1400)
DOMAIN = Domain(
    INSTANCE,
    "web",
    "11111111-2222-3333-4444-555555555555",
    vcpus=2,
    memory_mb=512,
    boot=3,
    disk_format="qcow2",
    image_id="cd610020-28f2-4fb9-951d-e8db33cab050",
    interfaces=(CARD,),
)
FOLDER = f"/var/lib/webcloud/agent/instances/{INSTANCE}"
IMAGE = "/var/lib/webcloud/agent/images/cd610020-28f2-4fb9-951d-e8db33cab050"
OVERLAY = GuestFiles(
    disk=f"{FOLDER}/disk",
    serial_log=f"{FOLDER}/console.log",
    base=IMAGE,
    base_format="qcow2",
    config_drive=f"{FOLDER}/config.iso",
)
FROM_CD = replace(OVERLAY, base="", base_format="", cdrom=IMAGE)
KVM, QEMU = HostFacts("kvm", "x86_64"), HostFacts("qemu", "x86_64")
ARM, TEST = HostFacts("qemu", "aarch64"), HostFacts("test", "x86_64")

CASES = {
    "kvm-overlay": (DOMAIN, KVM, OVERLAY),
    "qemu-spice": (replace(DOMAIN, graphics=("spice", "vnc")), QEMU, OVERLAY),
    "qemu-iso": (replace(DOMAIN, disk_format="iso"), QEMU, FROM_CD),
    "qemu-arm-headless": (
        replace(DOMAIN, graphics=(), config_drive=False),
        ARM,
        replace(OVERLAY, config_drive=""),
    ),
    "test-driver": (DOMAIN, TEST, OVERLAY),
}


@pytest.mark.parametrize("case", CASES)
def test_the_description_is_the_agreed_one(case: str) -> None:
    text = build(*CASES[case])
    path = GOLDEN / f"{case}.xml"
    if os.environ.get("WEBCLOUD_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("case", CASES)
def test_libvirt_finds_the_description_valid(case: str) -> None:
    domain, host, files = CASES[case]
    if host.hypervisor != "test":
        # The test driver parses every device, but knows one kind of machine.
        text = build(domain, host, files)
        root = parse_xml(text)
        root.set("type", "test")
        kind = root.find("./os/type")
        assert kind is not None
        kind.attrib.pop("machine", None)
        kind.set("arch", "i686")
        cpu = root.find("./cpu")
        if cpu is not None:
            root.remove(cpu)
        text = ElementTree.tostring(root, encoding="unicode")
    else:
        text = build(domain, host, files)
    connection = libvirt.open("test:///default")
    assert connection.defineXML(text).UUIDString() == INSTANCE


def devices_of(text: str) -> str:
    devices = parse_xml(text).find("devices")
    assert devices is not None
    return ElementTree.tostring(devices, encoding="unicode")


def hostile_strings(count: int) -> Iterator[str]:
    """Names that try to leave their element, and noise from every plane."""
    chosen = random.Random(81)
    pieces = [
        "</name><devices><disk type='file'/></devices>", "]]>", "<![CDATA[", "<!--", "-->", "&",
        "&lt;", "&#0;", "<?xml version='1.0'?>", "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///x'>]>",
        "&a;", "<qemu:commandline xmlns:qemu='x'>", "'", '"', "\0", "\x07", "\x1b[31m", "\ud800",
        "\ufffe", "\u202e", "\n", "\r\n", "\t", "é", "\U0001f600", "{}", "%s", "../", "a" * 300,
    ]  # fmt: skip
    for _ in range(count):
        yield "".join(chosen.choices(pieces, k=chosen.randint(1, 6)))


def test_s81_no_name_changes_the_devices() -> None:
    clean = devices_of(build(DOMAIN, QEMU, OVERLAY))
    for hostile in hostile_strings(1000):
        text = build(replace(DOMAIN, name=hostile, project_id=hostile), QEMU, OVERLAY)
        assert devices_of(text) == clean
        root = parse_xml(text)
        assert root.findtext("name") == f"wc-{INSTANCE}"
        assert root.findtext("uuid") == INSTANCE


def test_s81_hostile_names_are_accepted_by_libvirt_as_they_are() -> None:
    connection = libvirt.open("test:///default")
    for hostile in hostile_strings(50):
        domain = connection.defineXML(build(replace(DOMAIN, name=hostile), TEST, OVERLAY))
        stored = parse(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE))
        assert stored is not None
        assert (stored.instance_id, stored.boot) == (INSTANCE, 3)


def test_s3_every_driver_names_its_format() -> None:
    chosen = random.Random(3)
    kinds = list(CASES.values())
    for _ in range(1000):
        domain, host, files = chosen.choice(kinds)
        varied = replace(
            domain,
            instance_id=str(uuid.UUID(int=chosen.getrandbits(128))),
            graphics=tuple(chosen.sample(("vnc", "spice"), chosen.randint(0, 2))),
            interfaces=(CARD,) * chosen.randint(0, 3),
        )
        root = parse_xml(build(varied, host, files))
        disks = root.findall("./devices/disk")
        assert disks
        for disk in disks:
            driver = disk.find("driver")
            assert driver is not None
            assert driver.get("type") in ("qcow2", "raw")
            source = disk.find("source")
            assert source is not None
            assert source.get("file", "").startswith("/")
        for backing in root.iterfind(".//backingStore[@type]"):
            assert backing.find("format[@type]") is not None


def test_graphics_never_listen() -> None:
    root = parse_xml(build(*CASES["qemu-spice"]))
    found = root.findall("./devices/graphics")
    assert [item.get("type") for item in found] == ["vnc", "spice"]
    for item in found:
        assert [listen.attrib for listen in item] == [{"type": "none"}]


def test_unknown_graphics_are_refused() -> None:
    with pytest.raises(AgentError) as refusal:
        build(replace(DOMAIN, graphics=("rdp",)), QEMU, OVERLAY)
    assert refusal.value.code == "bad_command"


def test_metadata_is_read_back_and_nonsense_is_nobodys() -> None:
    metadata = GuestMetadata(INSTANCE, "p", "a <b> & c", 7)
    assert parse(to_text(metadata)) == metadata
    assert parse("") is None
    assert parse("<instance") is None
    assert parse("<other id='x'/>") is None
    assert parse("<instance/>") is None
    read = parse("<instance id='x' boot='²'/>")
    assert read is not None
    assert read.boot == 0
