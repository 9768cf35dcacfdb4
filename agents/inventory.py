"""What this host is: hypervisor, processors, memory, disk, versions.

KVM is believed only when three things agree: the processor shows vmx or svm,
libvirt offers kvm, and /dev/kvm opens.  Any one alone proves nothing: there
are machines whose /dev/kvm opens and on which guests hang.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import uuid
from pathlib import Path

from agents.compute.domain_xml import HostFacts
from agents.config import AgentConfig
from agents.errors import AgentError
from agents.journal import damaged
from agents.libvirt_host import SYSTEM, TEST, LibvirtHost, parse_xml
from agents.storage import files
from agents.wire import WIRE_VERSION
from agents.wire.reports import Inventory


def libvirt_uri(config: AgentConfig) -> str:
    """The URI to connect to for the chosen kind of virtualisation."""
    return config.libvirt_uri or (TEST if config.virt == "test" else SYSTEM)


def probe(config: AgentConfig, host: LibvirtHost) -> HostFacts:
    """Decide what guests run on. Raises AgentError when libvirt does not answer."""
    architecture = platform.machine()
    if config.virt == "test":
        return HostFacts("test", architecture)
    offered = _offered(host.capabilities(), architecture)
    if config.virt == "kvm" or (
        config.virt == "auto" and "kvm" in offered and _processor_can() and _device_opens()
    ):
        return HostFacts("kvm", architecture)
    return HostFacts("qemu", architecture)


def assumed(config: AgentConfig) -> HostFacts:
    """What to say while libvirt cannot be asked."""
    return HostFacts("qemu" if config.virt == "auto" else config.virt, platform.machine())


def take(
    config: AgentConfig, host: LibvirtHost, facts: HostFacts, images: tuple[str, ...]
) -> Inventory:
    """The inventory as of now; versions of libvirt are left out while it is down."""
    disk = os.statvfs(config.state_dir)
    versions = {"kernel": platform.release(), "python": platform.python_version()}
    try:
        library, hypervisor = host.versions()
        versions["libvirt"] = _dotted(library)
        versions["hypervisor"] = _dotted(hypervisor)
    except AgentError as error:
        versions["libvirt"] = f"not answering: {error}"
    broken = damaged(config.journal_file)
    if broken.exists():
        versions["journal"] = f"begun anew, the damaged one is kept as {broken.name}"
    return Inventory(
        name=config.name,
        host_uuid=host_uuid(config),
        wire_version=WIRE_VERSION,
        agent_version=_version(),
        hypervisor=facts.hypervisor,
        architecture=facts.architecture,
        vcpus=os.cpu_count() or 1,
        memory_mb=_memory_mb(),
        disk_total=disk.f_blocks * disk.f_frsize,
        disk_free=disk.f_bavail * disk.f_frsize,
        versions=versions,
        cached_images=images,
        booted_at=_booted_at(),
        boot_id=_boot_id(),
    )


def host_uuid(config: AgentConfig) -> str:
    """This host's own id, made once and kept in the state directory."""
    path = config.state_dir / "host_uuid"
    known = (files.read_text(path) or "").strip()
    if known:
        return known
    made = str(uuid.uuid4())
    files.write_durably(path, made.encode())
    return made


def _offered(capabilities: str, architecture: str) -> set[str]:
    root = parse_xml(capabilities)
    return {
        domain.get("type", "")
        for arch in root.iterfind("./guest/arch")
        if arch.get("name") == architecture
        for domain in arch.iterfind("domain")
    }


def _processor_can(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    if platform.machine() != "x86_64":
        return True  # Other processors have no such flag; the device and libvirt decide.
    return re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo.read_text(), re.MULTILINE) is not None


def _device_opens() -> bool:
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _boot_id(kernel: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """The kernel's name of this run of the machine; empty where it has none."""
    try:
        return kernel.read_text().strip()
    except OSError:
        return ""


def _booted_at(stat: Path = Path("/proc/stat")) -> int | None:
    """When the kernel started, in seconds since 1970; None where it does not say."""
    found = re.search(r"^btime (\d+)$", stat.read_text(), re.MULTILINE)
    return int(found[1]) if found else None


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def _version() -> str:
    try:
        return importlib.metadata.version("webcloud")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
