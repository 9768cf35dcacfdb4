"""The demo image's whole root file system, as one initramfs archive.

A cpio archive in the kernel's "newc" format (Documentation/driver-api/
early-userspace/buffer-format), packed with gzip.  It is made in memory, needs
no root and no device files (the kernel mounts devtmpfs), and the same input
gives the same bytes.
"""

from __future__ import annotations

import gzip
import stat

from webcloud.images import demo_files
from webcloud.images.demo_kernel import Module

DIRECTORIES = ("bin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "lib", "lib/modules",
               "mnt", "proc", "root", "run", "sbin", "sys", "tmp")  # fmt: skip


class Archive:
    """Collects files; ``packed`` gives the archive."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0

    def add_directory(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def add_file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        self._add(name, stat.S_IFREG | mode, content)

    def add_link(self, name: str, target: str) -> None:
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def packed(self) -> bytes:
        trailer = self._entry("TRAILER!!!", 0, b"", inode=0)
        return gzip.compress(b"".join([*self._parts, trailer]), compresslevel=6, mtime=0)

    def _add(self, name: str, mode: int, content: bytes) -> None:
        self._inode += 1
        self._parts.append(self._entry(name, mode, content, self._inode))

    @staticmethod
    def _entry(name: str, mode: int, content: bytes, inode: int) -> bytes:
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % value for value in fields) + encoded
        return _padded(head) + _padded(content)


def make_initramfs(busybox: bytes, modules: list[Module]) -> bytes:
    """The packed archive: busybox, modules with their load order, and our scripts."""
    archive = Archive()
    for name in DIRECTORIES:
        archive.add_directory(name)
    archive.add_file("bin/busybox", busybox, 0o755)
    archive.add_link("bin/sh", "busybox")
    archive.add_link("init", "bin/busybox")
    for module in modules:
        archive.add_file(f"lib/modules/{module.file_name}", module.content)
    order = "".join(f"{module.file_name}\n" for module in modules)
    archive.add_file("lib/modules/order", order.encode())
    for name, text in demo_files.SCRIPTS.items():
        archive.add_file(name, text.encode(), 0o755)
    for name, text in demo_files.TEXTS.items():
        archive.add_file(name, text.encode())
    return archive.packed()


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
