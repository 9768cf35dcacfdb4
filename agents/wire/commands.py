"""What a controller asks of a host.

Every verb is an *ensure*: doing it twice is doing it once.  A command is
identified by its id; the agent's journal answers a repeat from what it
stored and refuses a generation older than the newest it has seen for the
same subject.  Paths never travel: the agent derives every file, tap and
bridge from ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Command:
    """One row of work. ``verb`` is a key of VERBS, ``payload`` its dataclass encoded.

    ``subject_id`` is the resource (instance, image, network) that the fencing
    ``generation`` counts for; queries have generation 0 and are never fenced.
    """

    id: str
    verb: str
    subject_id: str
    generation: int
    payload: dict[str, Any]
    operation_id: str | None = None
    step: str = ""


@dataclass(frozen=True)
class EnsureImage:
    """Have the image in the host's cache, its sha256 checked. Reports progress 0..1.

    Result: ``{}``.  Bytes come from ``GET /agents/v1/images/<image_id>``.
    """

    image_id: str
    sha256: str
    size: int
    disk_format: str  # raw, qcow2 or iso


@dataclass(frozen=True)
class EnsureImageAbsent:
    """Drop the image from the cache, unless a disk still depends on it."""

    image_id: str


@dataclass(frozen=True)
class EnsureNetwork:
    """Have the network's bridge, addresses, DHCP server, NAT and guest filter."""

    network_id: str
    bridge: str
    cidr: str
    gateway: str
    dns: tuple[str, ...] = ()
    mtu: int = 1500
    nat: bool = True


@dataclass(frozen=True)
class EnsureNetworkAbsent:
    """Remove everything that EnsureNetwork made."""

    network_id: str


@dataclass(frozen=True)
class EnsurePort:
    """Have a static DHCP lease for the port. (libvirt makes the tap at start.)"""

    network_id: str
    port_id: str
    mac: str
    address: str
    hostname: str


@dataclass(frozen=True)
class EnsurePortAbsent:
    """Remove the port's lease, and its tap if one is left."""

    network_id: str
    port_id: str
    mac: str
    address: str


@dataclass(frozen=True)
class EnsureDisk:
    """Have the instance's root disk: an overlay on the cached image, or a copy.

    ``size`` is the virtual size in bytes; smaller than the image is refused
    with code ``image_too_large``.
    """

    instance_id: str
    image_id: str
    disk_format: str
    size: int


@dataclass(frozen=True)
class EnsureConfigDrive:
    """Have the instance's config drive (ISO 9660, label ``config-2``).

    ``files`` maps a path inside the drive to base64 of its content.
    """

    instance_id: str
    files: dict[str, str]


@dataclass(frozen=True)
class EnsureDiskAbsent:
    """Remove every file of the instance on this host: disk, config drive, log."""

    instance_id: str


@dataclass(frozen=True)
class Interface:
    """One network card: tap = ``tap`` + first 11 hex digits of the port id."""

    port_id: str
    mac: str
    bridge: str
    mtu: int = 1500


@dataclass(frozen=True)
class Domain:
    """A guest as the controller describes it; the agent turns it into domain XML.

    ``boot`` counts starts and is kept in the domain's metadata: a console
    token is good for one boot only.
    """

    instance_id: str
    name: str
    project_id: str
    vcpus: int
    memory_mb: int
    boot: int
    disk_format: str = "qcow2"  # qcow2 overlay, raw, or iso (boots from CD with an empty disk)
    image_id: str = ""
    config_drive: bool = True
    graphics: tuple[str, ...] = ("vnc",)
    interfaces: tuple[Interface, ...] = ()


@dataclass(frozen=True)
class EnsureRunning:
    """Have the domain defined as described and running. Result: ``{"power": "running"}``."""

    domain: Domain


@dataclass(frozen=True)
class EnsureDefined:
    """Have a domain of this id defined for good; one that is, is left as it is.

    It is never started or stopped.  Refused with ``disk_missing`` when its root
    disk is not on the host.  Result: ``{"power": one of POWER}``.
    """

    domain: Domain


@dataclass(frozen=True)
class EnsureStopped:
    """Have the domain shut off: ACPI first, forced after ``grace_seconds`` (0 = at once).

    Result: ``{"power": "shutoff", "forced": bool}``.  An absent domain is fine.
    """

    instance_id: str
    grace_seconds: int = 0


@dataclass(frozen=True)
class EnsureDomainAbsent:
    """Have no domain of this id, defined or running. Files are left alone."""

    instance_id: str


@dataclass(frozen=True)
class SendDisk:
    """Hand the disk of an instance that is off to the controller, for another host.

    The bytes go to ``PUT /agents/v1/transfers/<transfer_id>``, as written in
    ``agents.storage.sparse``; more than ``max_bytes`` is refused.  Nothing on
    this host changes.  Result: ``{"size": bytes sent, "sha256": theirs}``.
    Reports progress 0..1.
    """

    instance_id: str
    transfer_id: str
    max_bytes: int


@dataclass(frozen=True)
class ReceiveDisk:
    """Have the disk that another host has sent, from ``GET /agents/v1/transfers/<transfer_id>``.

    ``size`` and ``sha256`` are those of the bytes on their way, ``disk_size`` is
    the virtual size in bytes.  A disk that is no plain overlay on that image is
    refused unseen by any other program, and one that is here is never replaced.
    Result: ``{}``.  Reports progress 0..1.
    """

    instance_id: str
    transfer_id: str
    image_id: str
    disk_format: str  # the image's: raw, qcow2 or iso
    disk_size: int
    size: int
    sha256: str


@dataclass(frozen=True)
class ReadConsoleLog:
    """The last ``max_bytes`` of the serial log. Result: ``{"output": text}``."""

    instance_id: str
    max_bytes: int = 65536


@dataclass(frozen=True)
class Survey:
    """What is on this host, for ``webcloud verify``. Result: see reports.SurveyResult."""

    networks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Part:
    """One command within a Batch: ``payload`` is the dataclass of ``verb``, encoded."""

    name: str
    verb: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Do the parts one after the other; the first that fails ends it with its error.

    Result: what each part reported, by the part's name.  A batch holds no batch.
    """

    parts: tuple[Part, ...]


VERBS: dict[str, type[Any]] = {
    "ensure_image": EnsureImage,
    "ensure_image_absent": EnsureImageAbsent,
    "ensure_network": EnsureNetwork,
    "ensure_network_absent": EnsureNetworkAbsent,
    "ensure_port": EnsurePort,
    "ensure_port_absent": EnsurePortAbsent,
    "ensure_disk": EnsureDisk,
    "ensure_config_drive": EnsureConfigDrive,
    "ensure_disk_absent": EnsureDiskAbsent,
    "ensure_running": EnsureRunning,
    "ensure_defined": EnsureDefined,
    "ensure_stopped": EnsureStopped,
    "ensure_domain_absent": EnsureDomainAbsent,
    "send_disk": SendDisk,
    "receive_disk": ReceiveDisk,
    "read_console_log": ReadConsoleLog,
    "survey": Survey,
    "batch": Batch,
}

# The version of the contract that brought a verb; those not named here are of the first.
VERBS_SINCE: dict[str, int] = dict.fromkeys(
    ("batch", "ensure_defined", "send_disk", "receive_disk"), 2
)


def verb_of(payload: Any) -> str:
    """The verb's name for a payload dataclass."""
    for name, kind in VERBS.items():
        if type(payload) is kind:
            return name
    raise KeyError(type(payload).__name__)


def knows(version: int, verb: str) -> bool:
    """Whether an agent of this version of the contract can be given the verb."""
    return VERBS_SINCE.get(verb, 1) <= version


def tap_name(port_id: str) -> str:
    """The tap device of a port: 14 characters, within the kernel's 15."""
    return "tap" + port_id.replace("-", "")[:11]


def bridge_name(network_id: str) -> str:
    """The bridge of a network: 13 characters, within the kernel's 15."""
    return "br" + network_id.replace("-", "")[:11]
