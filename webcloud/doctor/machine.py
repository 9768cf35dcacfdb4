"""Hops of this computer: packages, QEMU's age, the processor, libvirt, the network tools."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from webcloud.config import Config
from webcloud.doctor.finding import Finding, failing, note, ok
from webcloud.supervising import checks, hypervisor

# CVE-2024-4467: qemu-img follows a file name inside an image. Fixed upstream in
# 9.1; distributions name it in their changelog when they have mended theirs.
IMAGE_FLAW = "CVE-2024-4467"
FLAW_MENDED = (9, 1)
CHANGELOGS = (
    Path("/usr/share/doc/qemu-utils/changelog.Debian.gz"),
    Path("/usr/share/doc/qemu-block-extra/changelog.Debian.gz"),
)
PROCESSOR = Path("/proc/cpuinfo")
KVM = Path("/dev/kvm")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def packages(_config: Config) -> Iterator[Finding]:
    """Every program that the agent calls, by its package."""
    missing = checks.missing_packages()
    if missing:
        yield failing(
            "packages",
            f"not installed: {', '.join(missing)}",
            "make setup, or apt-get install them",
        )
        return
    versions = [f"qemu {_version('qemu-img')}", f"libvirt {_version('libvirtd')}"]
    yield ok("packages", ", ".join(versions))


def qemu_age(_config: Config) -> Iterator[Finding]:
    """Whether this QEMU has the fix without which an image can name files of the host."""
    number = _version("qemu-img")
    parts = tuple(int(part) for part in re.findall(r"\d+", number)[:2])
    if parts >= FLAW_MENDED:
        yield ok("qemu's age", f"{number} has the fix of {IMAGE_FLAW}")
        return
    for path in CHANGELOGS:
        if path.exists() and IMAGE_FLAW.encode() in gzip.decompress(path.read_bytes()):
            yield ok("qemu's age", f"{number}, with the distribution's fix of {IMAGE_FLAW}")
            return
    yield failing(
        "qemu's age",
        f"{number} shows no fix of {IMAGE_FLAW} (a hostile image may read files of the host)",
        "apt-get install --only-upgrade qemu-utils qemu-system-x86",
    )


def virtualisation(config: Config) -> Iterator[Finding]:
    """KVM needs both a processor that can and a device that opens."""
    can = re.search(r"\b(vmx|svm)\b", PROCESSOR.read_text(encoding="utf-8")) is not None
    opens = os.access(KVM, os.R_OK | os.W_OK)
    if can and opens:
        yield ok("virtualisation", "KVM: the processor can and /dev/kvm opens")
    elif config.virt == "kvm":
        why = "/dev/kvm does not open" if can else "the processor shows neither vmx nor svm"
        yield failing(
            "virtualisation",
            f"--virt kvm was asked for, but {why}",
            "turn it on in the firmware (or the outer hypervisor), or use --virt auto",
        )
    else:
        why = "no /dev/kvm" if can else "the processor shows neither vmx nor svm"
        yield note("virtualisation", f"no KVM here ({why}): guests are emulated, which is slow")


def libvirt(_config: Config) -> Iterator[Finding]:
    """Whether libvirt answers, not only whether its socket is there."""
    if not hypervisor.answers(hypervisor.LIBVIRT_SOCKET):
        yield failing(
            "libvirt",
            f"nobody answers at {hypervisor.LIBVIRT_SOCKET}",
            "systemctl start libvirtd; without systemd webcloud starts it: start webcloud again",
        )
        return
    said = _run("virsh", "-q", "-c", "qemu:///system", "list", "--uuid")
    if said is None:
        yield failing("libvirt", "it accepts but does not answer within 10 s", "restart libvirtd")
        return
    yield ok("libvirt", f"qemu:///system answers, {len(said.split())} domains run")


def network_tools(_config: Config) -> Iterator[Finding]:
    """Whether the kernel lets us list rules and bridges."""
    if _run("nft", "list", "tables") is None:
        yield failing("network", "nft cannot list tables", "load the kernel's nf_tables module")
        return
    if FORWARDING.read_text(encoding="ascii").strip() != "1":
        yield note(
            "network",
            "this machine forwards no packets yet; guests reach nothing outside",
            "the agent turns it on with the first network: sysctl net.ipv4.ip_forward=1",
        )
        return
    yield ok("network", "nftables answers, packets are forwarded")


def _version(program: str) -> str:
    said = _run(program, "--version") or "unknown"
    found = re.search(r"\d+\.\d+(\.\d+)?", said)
    return found.group() if found else "unknown"


def _run(program: str, *arguments: str) -> str | None:
    """What it said, or None when it is missing, fails or takes over 10 s."""
    path = checks.found(program)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *arguments], check=True, capture_output=True, timeout=10, text=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout
