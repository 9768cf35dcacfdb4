"""Builds the demo image: a tiny bootable Linux from the host's own kernel and busybox.

The first run of a new cloud needs no download with it.  It uses Debian's
busybox-static, syslinux and mtools and any installed kernel, runs without
root, starts no virtual machine, and refuses (Unavailable, with the package to
install) when a part is missing.  The guest has a root shell on the serial and
the VGA console, takes its address by DHCP and prints the metadata it was given.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from webcloud.errors import Unavailable
from webcloud.images.demo_disk import write_disk
from webcloud.images.demo_initramfs import make_initramfs
from webcloud.images.demo_kernel import find_kernel, load_modules

COMMAND_LINE = "console=tty0 console=ttyS0 quiet panic=5 net.ifnames=0 random.trust_cpu=on"
READY = "webcloud demo ready:"


@dataclass(frozen=True)
class DemoImage:
    """The finished file. ``size`` is in bytes, ``sha256`` in hex."""

    path: Path
    size: int
    sha256: str
    disk_format: str


def build(target: Path, progress: Callable[[str], None] = lambda words: None) -> DemoImage:
    """Write the demo image to ``target`` (replaced atomically) and describe it.

    ``progress`` is called with a sentence before each stage.  Raises
    Unavailable naming the package to install when the host lacks a part.
    """
    kernel = find_kernel()
    progress(f"Taking kernel {kernel.release}")
    modules = load_modules(kernel)
    progress("Packing busybox and the start scripts")
    initramfs = make_initramfs(_busybox(), modules)
    progress("Writing the disk and its boot loader")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)  # Whatever was left there, be it a link, is not written to.
    try:
        write_disk(part, kernel.image, initramfs, COMMAND_LINE)
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        size = part.stat().st_size
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return DemoImage(target, size, digest, "raw")


def _busybox() -> bytes:
    """The static busybox of the host; a dynamic one would not start in the guest."""
    found = shutil.which("busybox", path="/bin:/usr/bin")
    content = Path(found).read_bytes() if found else b""
    if not content or b"/lib64/ld-linux" in content[:4096]:
        raise Unavailable("A static busybox is not installed. Install: busybox-static.")
    return content
