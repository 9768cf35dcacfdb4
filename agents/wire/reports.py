"""What a host tells its controller.

All of it travels over HTTP from the agent: ``Report`` answers a command,
``Inventory`` describes the host, ``DomainStates`` says what its guests are
doing, ``SurveyResult`` is the answer to a survey.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agents.wire.since import since

POWER = ("running", "paused", "shutoff", "crashed")


@dataclass(frozen=True)
class Report:
    """Where a command stands. ``status``: running, done or failed.

    ``progress`` is 0..1 while running, when known.  ``error_code`` is one of
    ``agents.wire.reports.ERROR_CODES`` when failed; ``retryable`` says whether
    asking again later could help.
    """

    command_id: str
    status: str
    progress: float | None = None
    result: dict[str, Any] = field(default_factory=dict)
    error_code: str = ""
    error_message: str = ""
    retryable: bool = False


ERROR_CODES = {
    "stale_generation": "a newer command for the same resource has been seen",
    "bad_command": "the command does not follow the contract",
    "image_corrupt": "the image's bytes do not have the promised sha256",
    "image_refused": "the image's format is not what it claims to be",
    "image_too_large": "the disk is smaller than the image",
    "image_missing": "the image is not in the host's cache",
    "disk_missing": "the instance's root disk is not on the host",
    "no_space": "the host's disk is full",
    "transfer_cut": "a disk's bytes could not be sent or fetched",
    "transfer_corrupt": "what arrived is not the disk that was sent",
    "transfer_refused": "the disk is not one that may be moved",
    "controller_full": "the controller has no room for a disk on its way",
    "libvirt": "libvirt refused",
    "network": "a bridge, DHCP server or filter could not be set up",
    "io": "a file could not be read or written",
    "internal": "the agent failed in a way it does not know",
}


@dataclass(frozen=True)
class Inventory:
    """What the host is and has. Memory in MiB, disk in bytes."""

    name: str
    host_uuid: str
    wire_version: int
    agent_version: str
    hypervisor: str  # kvm, qemu or test
    architecture: str
    vcpus: int
    memory_mb: int
    disk_total: int
    disk_free: int
    versions: dict[str, str] = field(default_factory=dict)
    cached_images: tuple[str, ...] = ()
    booted_at: int | None = since(2, default=None, vital=False)  # seconds since 1970
    boot_id: str = since(2, default="", vital=False)  # another one after each start of the machine


@dataclass(frozen=True)
class DomainState:
    """One guest. ``power`` is one of POWER; ``boot`` comes from the domain's metadata."""

    instance_id: str
    power: str
    reason: str = ""
    boot: int = 0


@dataclass(frozen=True)
class DomainStates:
    """``full``: these are all the domains there are; otherwise only what changed.

    ``sequence`` rises with every message of one agent run, so that a late
    message cannot overwrite a newer one; ``run_id`` names the agent run.
    ``gone`` lists instances whose domain has been undefined.  A full message
    also says which survey still holds: the digest of the last one that was
    delivered, and how many seconds ago the host was last found to be like that.
    """

    run_id: str
    sequence: int
    full: bool
    domains: tuple[DomainState, ...] = ()
    gone: tuple[str, ...] = ()
    survey_digest: str = since(2, default="", vital=False)
    survey_age: float = since(2, default=0.0, vital=False)


@dataclass(frozen=True)
class Definition:
    """What a host's libvirt will start an instance with.

    ``name`` and the paths are empty where they are what follows from the id,
    and otherwise as found there ("-": none).  A card is "tap mac bridge".
    """

    instance_id: str
    memory_kb: int
    first_memory_kb: int  # how much of it the guest has when it starts
    vcpus: int
    first_vcpus: int
    boot: int
    disk_format: str
    name: str = ""
    disk: str = ""
    config_drive: str = ""
    cards: tuple[str, ...] = ()


@dataclass(frozen=True)
class SurveyResult:
    """Everything on the host that is named after a webcloud resource.

    ``without_disk`` are ids of instances that have files, but no root disk,
    ``without_config_drive`` of those that have files, but no config drive;
    ``transient_domains`` ids of those whose domain ends with its run.
    ``unknown_domains`` are names of domains that no webcloud made,
    ``unreadable_domains`` ids of those that libvirt cannot describe.
    """

    domains: tuple[DomainState, ...] = ()
    foreign_domains: tuple[str, ...] = ()
    disk_instances: tuple[str, ...] = ()  # instance ids that have files
    stray_files: tuple[str, ...] = ()
    cached_images: tuple[str, ...] = ()
    taps: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()  # "port_id mac address"
    dhcp_networks: tuple[str, ...] = ()  # networks whose DHCP server is alive
    nat_networks: tuple[str, ...] = ()  # networks with their rules loaded
    without_disk: tuple[str, ...] = since(
        2, default=(), vital=False
    )  # instance ids that have files, but no root disk
    transient_domains: tuple[str, ...] = since(
        2, default=(), vital=False
    )  # instance ids whose domain ends with its run
    unknown_domains: tuple[str, ...] = since(
        2, default=(), vital=False
    )  # names of domains that no webcloud made
    unreadable_domains: tuple[str, ...] = since(
        2, default=(), vital=False
    )  # ids of domains that libvirt cannot describe
    definitions: tuple[Definition, ...] = since(
        2, default=(), vital=False
    )  # of our domains that are defined for good
    without_config_drive: tuple[str, ...] = since(
        2, default=(), vital=False
    )  # instance ids that have files, but no config drive


REPAIRS = ("bridge", "rules", "dhcp", "tap")


@dataclass(frozen=True)
class Repair:
    """Something that was gone or broken and that the host has put right by itself.

    ``what`` is one of REPAIRS; ``subject_id`` the network, or the port of a tap.
    """

    what: str
    subject_id: str


@dataclass(frozen=True)
class SurveyReport:
    """A survey that nobody asked for: sent when the host has changed, and now and then.

    ``digest`` names this very survey; ``age`` is how many seconds ago its taking
    began.  ``repairs`` are those since the last report.
    """

    run_id: str
    sequence: int
    digest: str
    age: float
    survey: SurveyResult
    repairs: tuple[Repair, ...] = ()
