"""A guest's description as libvirt wants it: pure, built as objects.

``build`` takes the controller's Domain, what this host is, and the files of
the instance, and returns XML text.  No string is ever pasted into XML, every
disk driver names its format, graphics listen nowhere, and a character XML
cannot hold is replaced, so that no name can change the list of devices.
Format: https://libvirt.org/formatdomain.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from agents.compute.metadata import NAMESPACE, PREFIX, GuestMetadata
from agents.compute.metadata import element as metadata_element
from agents.errors import AgentError
from agents.wire.commands import Domain, Interface, tap_name

GRAPHICS = ("vnc", "spice")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MACHINES = {"x86_64": "q35", "aarch64": "virt"}


@dataclass(frozen=True)
class HostFacts:
    """``hypervisor``: kvm, qemu or test."""

    hypervisor: str
    architecture: str


@dataclass(frozen=True)
class GuestFiles:
    """Absolute paths; ``base`` is the cached image under the overlay, if any."""

    disk: str
    serial_log: str
    base: str = ""
    base_format: str = ""
    cdrom: str = ""
    config_drive: str = ""


def domain_name(instance_id: str) -> str:
    """The libvirt name of an instance's domain."""
    return f"wc-{instance_id}"


def build(domain: Domain, host: HostFacts, files: GuestFiles, owner: str = "") -> str:
    """``owner`` is this host's own id.

    Raises AgentError ``bad_command`` for graphics it does not know.
    """
    test = host.hypervisor == "test"
    root = Element("domain", {"type": host.hypervisor})
    _text(root, "name", domain_name(domain.instance_id))
    _text(root, "uuid", domain.instance_id)
    _text(root, "title", _clean(domain.name).replace("\n", " ").replace("\r", " "))
    SubElement(root, "metadata").append(
        metadata_element(
            GuestMetadata(
                domain.instance_id,
                _clean(domain.project_id),
                _clean(domain.name),
                domain.boot,
                owner,
            )
        )
    )
    _text(root, "memory", str(domain.memory_mb), unit="MiB")
    _text(root, "vcpu", str(domain.vcpus))
    _os(root, host, boot_from_cd=bool(files.cdrom))
    features = SubElement(root, "features")
    SubElement(features, "acpi")
    if host.architecture == "x86_64":
        SubElement(features, "apic")
    _cpu(root, host)
    SubElement(root, "clock", {"offset": "utc"})
    _text(root, "on_poweroff", "destroy")
    _text(root, "on_reboot", "restart")
    _text(root, "on_crash", "destroy")
    devices = SubElement(root, "devices")
    _disks(devices, files, host)
    if not test:
        for interface in domain.interfaces:
            _interface(devices, interface)
    _serial(devices, files.serial_log)
    _guest_agent(devices)
    _screen(devices, domain.graphics)
    _rng(devices)
    balloon = SubElement(devices, "memballoon", {"model": "virtio"})
    if not test:
        SubElement(balloon, "stats", {"period": "10"})
    ElementTree.register_namespace(PREFIX, NAMESPACE)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _os(root: Element, host: HostFacts, boot_from_cd: bool) -> None:
    system = SubElement(root, "os")
    if host.hypervisor == "test":
        # The test driver offers one architecture only and emulates nothing.
        _text(system, "type", "hvm", arch="i686")
    else:
        machine = _MACHINES.get(host.architecture, "q35")
        _text(system, "type", "hvm", arch=host.architecture, machine=machine)
    # An empty disk is skipped by the firmware, an installed one is preferred.
    SubElement(system, "boot", {"dev": "hd"})
    if boot_from_cd:
        SubElement(system, "boot", {"dev": "cdrom"})


def _cpu(root: Element, host: HostFacts) -> None:
    if host.hypervisor == "kvm":
        SubElement(root, "cpu", {"mode": "host-passthrough", "check": "none"})
    elif host.hypervisor == "qemu":
        # Everything the emulator can do: a Linux guest boots on it at least as fast
        # as on the old default model, and newer distributions refuse that one.
        SubElement(root, "cpu", {"mode": "maximum", "check": "none"})


def _disks(devices: Element, files: GuestFiles, host: HostFacts) -> None:
    disk = SubElement(devices, "disk", {"type": "file", "device": "disk"})
    SubElement(
        disk,
        "driver",
        {"name": "qemu", "type": "qcow2", "cache": "writeback", "discard": "unmap"},
    )
    SubElement(disk, "source", {"file": files.disk})
    if files.base:
        backing = SubElement(disk, "backingStore", {"type": "file"})
        SubElement(backing, "format", {"type": files.base_format})
        _shared(SubElement(backing, "source", {"file": files.base}), host)
        SubElement(backing, "backingStore")
    else:
        SubElement(disk, "backingStore")
    SubElement(disk, "target", {"dev": "vda", "bus": "virtio"})
    if files.cdrom:
        _shared(_cdrom(devices, "sda", files.cdrom), host)
    if files.config_drive:
        _config_drive(devices, files.config_drive)


def _shared(source: Element, host: HostFacts) -> None:
    """An image of the cache: QEMU may read it as its group, and never owns it."""
    if host.hypervisor != "test":
        SubElement(source, "seclabel", {"model": "dac", "relabel": "no"})


def _cdrom(devices: Element, target: str, path: str) -> Element:
    drive = SubElement(devices, "disk", {"type": "file", "device": "cdrom"})
    SubElement(drive, "driver", {"name": "qemu", "type": "raw"})
    source = SubElement(drive, "source", {"file": path})
    SubElement(drive, "target", {"dev": target, "bus": "sata"})
    SubElement(drive, "readonly")
    return source


def _config_drive(devices: Element, path: str) -> None:
    """A read-only virtio disk: the kernels of cloud images drive no SATA CD-ROM."""
    drive = SubElement(devices, "disk", {"type": "file", "device": "disk"})
    SubElement(drive, "driver", {"name": "qemu", "type": "raw"})
    SubElement(drive, "source", {"file": path})
    SubElement(drive, "target", {"dev": "vdb", "bus": "virtio"})
    SubElement(drive, "readonly")


def _interface(devices: Element, interface: Interface) -> None:
    card = SubElement(devices, "interface", {"type": "bridge"})
    SubElement(card, "mac", {"address": interface.mac})
    SubElement(card, "source", {"bridge": interface.bridge})
    SubElement(card, "target", {"dev": tap_name(interface.port_id)})
    SubElement(card, "model", {"type": "virtio"})
    SubElement(card, "mtu", {"size": str(interface.mtu)})


def _serial(devices: Element, log: str) -> None:
    serial = SubElement(devices, "serial", {"type": "pty"})
    SubElement(serial, "log", {"file": log, "append": "on"})
    SubElement(serial, "target", {"port": "0"})
    console = SubElement(devices, "console", {"type": "pty"})
    SubElement(console, "target", {"type": "serial", "port": "0"})


def _guest_agent(devices: Element) -> None:
    channel = SubElement(devices, "channel", {"type": "unix"})
    SubElement(channel, "target", {"type": "virtio", "name": "org.qemu.guest_agent.0"})


def _screen(devices: Element, graphics: tuple[str, ...]) -> None:
    if not graphics:
        return
    for kind in graphics:
        if kind not in GRAPHICS:
            raise AgentError("bad_command", f"unknown graphics {kind!r}")
    # No USB keyboard: once firmware has woken it, QEMU sends it every key, and a guest
    # without USB drivers hears none. The PS/2 keyboard is always there.
    SubElement(devices, "input", {"type": "tablet", "bus": "usb"})
    for kind in GRAPHICS:
        if kind in graphics:
            server = SubElement(devices, "graphics", {"type": kind})
            SubElement(server, "listen", {"type": "none"})
    video = SubElement(devices, "video")
    SubElement(video, "model", {"type": "virtio", "heads": "1", "primary": "yes"})


def _rng(devices: Element) -> None:
    rng = SubElement(devices, "rng", {"model": "virtio"})
    SubElement(rng, "rate", {"bytes": "65536", "period": "1000"})
    _text(rng, "backend", "/dev/urandom", model="random")


def _text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = text


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
