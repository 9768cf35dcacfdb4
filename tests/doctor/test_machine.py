"""Each hop of the computer can fail, and says so."""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doctor.places import states
from tests.support.libvirt_daemon import ensure_libvirtd
from webcloud.config import Config
from webcloud.doctor import machine
from webcloud.supervising import checks, hypervisor


def test_a_missing_program_is_named_by_its_package(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(checks.PROGRAMS, "no-such-program", "its-package")
    (found,) = machine.packages(config)
    assert found.state == "failing"
    assert "its-package" in found.words
    assert "apt-get install" in found.fix


def test_a_qemu_without_the_fix_of_its_image_flaw_fails(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert states(machine.qemu_age(config)) == ["ok"]
    monkeypatch.setattr(machine, "CHANGELOGS", ())
    monkeypatch.setattr(machine, "FLAW_MENDED", (999, 0))
    assert states(machine.qemu_age(config)) == ["failing"]


def test_kvm_that_was_asked_for_but_is_not_there_fails(config: Config) -> None:
    flags = Path("/proc/cpuinfo").read_text()
    here = ("vmx" in flags or "svm" in flags) and os.access("/dev/kvm", os.W_OK)
    assert states(machine.virtualisation(replace(config, virt="kvm"))) == [
        "ok" if here else "failing"
    ]


@pytest.mark.parametrize(
    "case",
    [
        ("fpu vmx sse", True, "auto", "ok", "KVM: the processor can"),
        ("fpu sse svmx", True, "auto", "note", "neither vmx nor svm"),
        ("fpu svm sse", False, "auto", "note", "no /dev/kvm"),
        ("fpu svm sse", False, "kvm", "failing", "/dev/kvm does not open"),
        ("fpu sse", True, "kvm", "failing", "neither vmx nor svm"),
    ],
)
def test_kvm_needs_the_processor_and_the_device(
    case: tuple[str, bool, str, str, str],
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    flags, device, virt, state, words = case
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    if device:
        (tmp_path / "kvm").touch()
    monkeypatch.setattr(machine, "PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "KVM", tmp_path / "kvm")
    (found,) = machine.virtualisation(replace(config, virt=virt))
    assert found.state == state
    assert words in found.words


def test_an_old_qemu_that_the_distribution_has_mended_is_well(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "FLAW_MENDED", (999, 0))
    changelog = tmp_path / "changelog.gz"
    monkeypatch.setattr(machine, "CHANGELOGS", (tmp_path / "none.gz", changelog))
    changelog.write_bytes(gzip.compress(b"qemu: New upstream release."))
    assert states(machine.qemu_age(config)) == ["failing"]
    changelog.write_bytes(gzip.compress(b"qemu: Mend CVE-2024-4467."))
    (found,) = machine.qemu_age(config)
    assert found.state == "ok"
    assert "distribution's fix" in found.words


def test_the_versions_of_what_is_installed_are_told(config: Config) -> None:
    (found,) = machine.packages(config)
    assert found.state == "ok"
    assert re.fullmatch(r"qemu \d+\.\d+\S*, libvirt \d+\.\d+\S*", found.words)


def test_libvirt_is_asked_and_not_only_reached(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_libvirtd()
    (found,) = machine.libvirt(config)
    assert found.state == "ok"
    assert re.search(r"\d+ domains run", found.words)
    monkeypatch.setattr(checks, "SEARCH_PATH", "/nowhere")
    (found,) = machine.libvirt(config)
    assert found.state == "failing"
    assert "does not answer" in found.words


def test_a_machine_that_forwards_nothing_is_told_and_one_without_rules_fails(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "FORWARDING", tmp_path / "ip_forward")
    (tmp_path / "ip_forward").write_text("1\n")
    assert states(machine.network_tools(config)) == ["ok"]
    (tmp_path / "ip_forward").write_text("0\n")
    assert states(machine.network_tools(config)) == ["note"]
    monkeypatch.setattr(checks, "SEARCH_PATH", "/nowhere")
    assert states(machine.network_tools(config)) == ["failing"]


def test_a_program_that_fails_has_said_nothing() -> None:
    assert machine._run("qemu-img", "no-such-command") is None
    assert machine._version("no-such-program") == "unknown"


def test_a_libvirt_that_is_not_running_fails(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hypervisor, "LIBVIRT_SOCKET", tmp_path / "nobody")
    (found,) = machine.libvirt(config)
    assert found.state == "failing"
    assert "libvirtd" in found.fix
