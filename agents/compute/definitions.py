"""What libvirt will start a guest with: read from its stored description, not the running one.

Only what the controller compares is read.  Whatever somebody has made of the
description by hand, something comes out: what is not there is 0 or empty.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from agents.compute.domain_xml import domain_name
from agents.compute.metadata import NAMESPACE, parse
from agents.libvirt_host import Guest, parse_xml
from agents.wire.reports import Definition

ROOT_TARGET, DRIVE_TARGET = "vda", "vdb"
NONE = "-"


def read(guest: Guest, disk: Path, config_drive: Path) -> Definition:
    """The paths are those of the instance's own files. Raises AgentError ``libvirt``."""
    root = parse_xml(guest.stored_xml())
    processors = root.findtext("vcpu")
    metadata = root.find(f"metadata/{{{NAMESPACE}}}instance")
    known = None if metadata is None else parse(tostring(metadata, encoding="unicode"))
    disks = {_value(each, "target", "dev"): each for each in root.iterfind("devices/disk")}
    first, second = disks.get(ROOT_TARGET), disks.get(DRIVE_TARGET)
    return Definition(
        guest.uuid,
        memory_kb=_number(root.findtext("memory")),
        first_memory_kb=_number(root.findtext("currentMemory")),
        vcpus=_number(processors),
        first_vcpus=_number(_value(root, "vcpu", "current") or processors),
        boot=0 if known is None else known.boot,
        disk_format=_value(first, "driver", "type"),
        name=_unless(guest.name, domain_name(guest.uuid)),
        disk=_unless(_source(first), str(disk)),
        config_drive=_unless(_source(second), str(config_drive)),
        cards=tuple(_card(card) for card in root.iterfind("devices/interface")),
    )


def taps(guest: Guest) -> set[str]:
    """The devices its cards are plugged in with, running or not. Raises AgentError ``libvirt``."""
    cards = parse_xml(guest.stored_xml()).iterfind("devices/interface")
    return {_value(card, "target", "dev") for card in cards} - {""}


def _card(card: Element) -> str:
    found = (
        _value(card, "target", "dev"),
        _value(card, "mac", "address"),
        _value(card, "source", "bridge"),
    )
    return " ".join(value or NONE for value in found)


def _source(disk: Element | None) -> str:
    return _value(disk, "source", "file") or NONE


def _value(parent: Element | None, tag: str, attribute: str) -> str:
    child = None if parent is None else parent.find(tag)
    return "" if child is None else child.get(attribute, "")


def _unless(found: str, expected: str) -> str:
    return "" if found == expected else found


def _number(text: str | None) -> int:
    """libvirt writes plain numbers, and memory always in KiB."""
    return int(text) if text and text.strip().isdecimal() else 0
