"""What a host says of itself, and what it takes to believe in KVM."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from agents import inventory
from agents.compute.domain_xml import HostFacts
from agents.config import VIRT_CHOICES, AgentConfig
from agents.errors import AgentError
from agents.libvirt_host import TEST, LibvirtHost
from tests.support.libvirt_daemon import ensure_libvirtd

CONFIG = AgentConfig("http://127.0.0.1:1", "host", virt="auto")


def offering(*kinds: str) -> LibvirtHost:
    """A host whose libvirt offers these kinds of domain; everything else is not asked."""

    class Host(LibvirtHost):
        def capabilities(self) -> str:
            domains = "".join(f"<domain type='{kind}'/>" for kind in kinds)
            return (
                "<capabilities><guest><arch name='x86_64'>"
                f"{domains}</arch></guest><guest><arch name='riscv64'>"
                "<domain type='kvm'/></arch></guest></capabilities>"
            )

    return Host("nowhere", lambda _id: None)


@pytest.mark.parametrize(
    ("virt", "kinds", "processor", "device", "expected"),
    [
        ("auto", ("qemu", "kvm"), True, True, "kvm"),
        ("auto", ("qemu", "kvm"), False, True, "qemu"),
        ("auto", ("qemu", "kvm"), True, False, "qemu"),
        ("auto", ("qemu",), True, True, "qemu"),
        ("qemu", ("qemu", "kvm"), True, True, "qemu"),
        ("kvm", ("qemu",), False, False, "kvm"),
        ("test", (), True, True, "test"),
    ],
)
def test_kvm_needs_processor_libvirt_and_device_together(
    monkeypatch: pytest.MonkeyPatch,
    *,
    virt: str,
    kinds: tuple[str, ...],
    processor: bool,
    device: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(inventory.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(inventory, "_processor_can", lambda: processor)
    monkeypatch.setattr(inventory, "_device_opens", lambda: device)
    facts = inventory.probe(replace(CONFIG, virt=virt), offering(*kinds))
    assert facts == HostFacts(expected, "x86_64")


@pytest.mark.parametrize(
    ("flags", "can"),
    [("fpu vmx de", True), ("fpu svm", True), ("fpu vmxnet svmx", False), ("", False)],
)
def test_the_processors_flags_are_read(
    tmp_path: Path, flags: str, can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory.platform, "machine", lambda: "x86_64")
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\nbugs : vmx\n")
    assert inventory._processor_can(tmp_path / "cpuinfo") is can


def test_other_processors_are_judged_by_libvirt_and_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inventory.platform, "machine", lambda: "aarch64")
    assert inventory._processor_can(Path("/nonexistent"))


def test_the_real_libvirt_is_probed(tmp_path: Path) -> None:
    ensure_libvirtd()
    host = LibvirtHost("qemu:///system", lambda _id: None)
    host.start()
    facts = inventory.probe(CONFIG, host)
    assert facts.hypervisor == ("kvm" if inventory._processor_can() else "qemu")
    told = inventory.take(replace(CONFIG, state_dir=tmp_path), host, facts, ("i",))
    assert told.memory_mb > 100
    assert told.versions["hypervisor"].count(".") == 2
    assert told.cached_images == ("i",)
    host.stop()


def test_a_libvirt_that_is_away_is_waited_for_and_said_so(tmp_path: Path) -> None:
    host = LibvirtHost("qemu+unix:///system?socket=/nonexistent", lambda _id: None)
    host.start()
    with pytest.raises(AgentError) as failure:
        host.guests()
    assert (failure.value.code, failure.value.retryable) == ("libvirt", True)
    config = replace(CONFIG, state_dir=tmp_path)
    told = inventory.take(config, host, HostFacts("qemu", "x86_64"), ())
    assert told.versions["libvirt"].startswith("not answering")
    host.uri = TEST
    host._connect()
    assert [guest.name for guest in host.guests()] == ["test"]
    host.stop()


def test_the_uri_follows_the_kind_unless_it_is_given() -> None:
    assert inventory.libvirt_uri(CONFIG) == "qemu:///system"
    assert inventory.libvirt_uri(replace(CONFIG, virt="test")) == "test:///default"
    assert inventory.libvirt_uri(replace(CONFIG, libvirt_uri="x:///")) == "x:///"


def test_the_kvm_device_is_tried_by_opening_it() -> None:
    assert inventory._device_opens() is os.access("/dev/kvm", os.R_OK | os.W_OK)


def test_what_is_said_while_libvirt_is_away() -> None:
    kinds = {
        virt: inventory.assumed(replace(CONFIG, virt=virt)).hypervisor for virt in VIRT_CHOICES
    }
    assert kinds == {"auto": "qemu", "kvm": "kvm", "qemu": "qemu", "test": "test"}
