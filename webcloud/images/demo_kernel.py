"""The kernel of the demo image: the host's own, with the few modules a guest needs.

It looks at /boot and /lib/modules and never at the kernel that happens to be
running (a container's kernel is not installed).  Debian's cloud kernel is
preferred because it is small.  Modules come in load order, unpacked, because
busybox cannot read what newer distributions compress with zstd.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from webcloud.errors import Unavailable
from webcloud.words import mark, say, word

REQUIRED = ("virtio_pci", "virtio_net")
OPTIONAL = (
    "virtio_blk",
    "virtio_scsi",
    "ahci",
    "sr_mod",
    "isofs",
    "button",
    "evdev",
    "virtio_rng",
    "virtio_input",
    "hid_generic",
)

INSTALL_KERNEL = mark("Install the package linux-image-cloud-amd64 and try again.")


@dataclass(frozen=True)
class Kernel:
    """One installed kernel: its release, its file and its modules' folder."""

    release: str
    image: Path
    modules: Path


@dataclass(frozen=True)
class Module:
    """A kernel module, unpacked. ``file_name`` ends in ``.ko``."""

    file_name: str
    content: bytes


def find_kernel(boot: Path = Path("/boot"), modules: Path = Path("/lib/modules")) -> Kernel:
    """The best installed kernel; raises Unavailable when none can be used."""
    found = [
        Kernel(release, image, modules / release)
        for image in boot.glob("vmlinuz-*")
        for release in [image.name.removeprefix("vmlinuz-")]
        if (modules / release / "modules.dep").is_file()
    ]
    if not found:
        raise Unavailable(
            say(
                "No Linux kernel with its modules is in {boot}. {advice}",
                boot=boot,
                advice=word(INSTALL_KERNEL),
            )
        )
    best = max(found, key=lambda kernel: ("cloud" in kernel.release, _version(kernel.release)))
    if not os.access(best.image, os.R_OK):
        raise Unavailable(
            say(
                "The kernel {image} can be read by root only. Run `chmod a+r {image}` as "
                "root, or build the image as root.",
                image=best.image,
            )
        )
    return best


def load_modules(kernel: Kernel) -> list[Module]:
    """The modules of a guest with all they depend on, in the order to load them.

    What the kernel has built in is left out.  Raises Unavailable when the
    kernel cannot drive a virtio network card at all.
    """
    depends = _read_dependencies(kernel.modules / "modules.dep")
    builtin = {
        _module_name(line) for line in (kernel.modules / "modules.builtin").read_text().splitlines()
    }
    missing = [name for name in REQUIRED if name not in depends and name not in builtin]
    if missing:
        raise Unavailable(
            say(
                "Kernel {release} lacks the modules {missing}. {advice}",
                release=kernel.release,
                missing=", ".join(missing),
                advice=word(INSTALL_KERNEL),
            )
        )
    order: dict[str, None] = {}
    for name in REQUIRED + OPTIONAL:
        if name in depends:
            path, needs = depends[name]
            # modules.dep lists the deepest dependency last, so it is loaded first.
            for item in (*reversed(needs), path):
                order.setdefault(item)
    return [_unpacked(kernel.modules / path) for path in order]


def _read_dependencies(file: Path) -> dict[str, tuple[str, list[str]]]:
    result = {}
    for line in file.read_text().splitlines():
        path, _, needs = line.partition(":")
        result[_module_name(path)] = (path, needs.split())
    return result


def _module_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".ko", maxsplit=1)[0].replace("-", "_")


def _unpacked(path: Path) -> Module:
    content = path.read_bytes()
    if path.suffix == ".xz":
        content = lzma.decompress(content)
    elif path.suffix == ".gz":
        content = zlib.decompress(content, wbits=31)
    elif path.suffix == ".zst":
        content = _unpack_zstd(path)
    return Module(_module_name(path.name) + ".ko", content)


def _unpack_zstd(path: Path) -> bytes:
    program = shutil.which("zstd")
    if program is None:
        raise Unavailable(
            say(
                "The kernel module {name} is packed with zstd. Install the package zstd.",
                name=path.name,
            )
        )
    return subprocess.run([program, "-dcq", str(path)], check=True, stdout=subprocess.PIPE).stdout


def _version(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]
