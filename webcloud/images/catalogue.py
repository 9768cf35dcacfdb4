"""Well-known cloud images, one click away for those with internet.

Addresses are the publishers' own.  Each entry has the publisher's list of
checksums, and an import from here is refused unless the checksum fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from webcloud.errors import NotFound
from webcloud.words import say


@dataclass(frozen=True)
class Entry:
    """``min_disk`` in GB, ``min_memory`` in MB; ``user`` is whom to log in as."""

    key: str
    name: str
    url: str
    checksum_url: str
    user: str
    disk_format: str = "qcow2"
    min_disk: int = 3
    min_memory: int = 512


_DEBIAN = "https://cloud.debian.org/images/cloud"
_UBUNTU = "https://cloud-images.ubuntu.com/releases"
_ALPINE = "https://dl-cdn.alpinelinux.org/alpine/v3.22/releases/cloud"
_ROCKY = "https://dl.rockylinux.org/pub/rocky"
_FEDORA = "https://dl.fedoraproject.org/pub/fedora/linux/releases/42/Cloud/x86_64/images"
_SUSE = "https://download.opensuse.org/distribution/leap/15.6/appliances"
_CIRROS = "https://download.cirros-cloud.net/0.6.3"


def _debian(number: int, codename: str) -> Entry:
    folder = f"{_DEBIAN}/{codename}/latest"
    return Entry(
        f"debian-{number}",
        f"Debian {number} ({codename})",
        f"{folder}/debian-{number}-genericcloud-amd64.qcow2",
        f"{folder}/SHA512SUMS",
        "debian",
    )


def _ubuntu(version: str, codename: str) -> Entry:
    folder = f"{_UBUNTU}/{codename}/release"
    return Entry(
        f"ubuntu-{version}",
        f"Ubuntu {version} LTS",
        f"{folder}/ubuntu-{version}-server-cloudimg-amd64.img",
        f"{folder}/SHA256SUMS",
        "ubuntu",
        min_disk=4,
        min_memory=1024,
    )


def _rocky(number: int) -> Entry:
    url = f"{_ROCKY}/{number}/images/x86_64/Rocky-{number}-GenericCloud-Base.latest.x86_64.qcow2"
    return Entry(
        f"rocky-{number}",
        f"Rocky Linux {number}",
        url,
        f"{url}.CHECKSUM",
        "rocky",
        min_disk=10,
        min_memory=1024,
    )


ENTRIES = (
    _debian(12, "bookworm"),
    _debian(13, "trixie"),
    _ubuntu("22.04", "jammy"),
    _ubuntu("24.04", "noble"),
    Entry(
        "alpine-3.22",
        "Alpine Linux 3.22",
        f"{_ALPINE}/generic_alpine-3.22.1-x86_64-bios-cloudinit-r0.qcow2",
        f"{_ALPINE}/generic_alpine-3.22.1-x86_64-bios-cloudinit-r0.qcow2.sha512",
        "alpine",
        min_disk=1,
        min_memory=256,
    ),
    _rocky(9),
    Entry(
        "fedora-42",
        "Fedora Cloud 42",
        f"{_FEDORA}/Fedora-Cloud-Base-Generic-42-1.1.x86_64.qcow2",
        f"{_FEDORA}/Fedora-Cloud-42-1.1-x86_64-CHECKSUM",
        "fedora",
        min_disk=5,
        min_memory=1024,
    ),
    Entry(
        "opensuse-leap-15.6",
        "openSUSE Leap 15.6",
        f"{_SUSE}/openSUSE-Leap-15.6-Minimal-VM.x86_64-Cloud.qcow2",
        f"{_SUSE}/openSUSE-Leap-15.6-Minimal-VM.x86_64-Cloud.qcow2.sha256",
        "opensuse",
        min_disk=10,
        min_memory=1024,
    ),
    Entry(
        "cirros-0.6.3",
        "CirrOS 0.6.3 (test image)",
        f"{_CIRROS}/cirros-0.6.3-x86_64-disk.img",
        f"{_CIRROS}/SHA256SUMS",
        "cirros",
        min_disk=1,
        min_memory=128,
    ),
)


def get(key: str) -> Entry:
    """Raises NotFound."""
    for entry in ENTRIES:
        if entry.key == key:
            return entry
    raise NotFound(say("The catalogue has no image {key!r}.", key=key[:64]))
