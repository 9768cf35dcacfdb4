"""Judges an image or a disk by its first bytes, before any qemu process sees the file.

Strict and small: an image with a backing file, an external data file,
encryption or any feature bit it does not know is refused, and so is a file
that is not what it was declared to be, in either direction.  A disk that comes
from another host may name one backing file: exactly the one expected.  It reads
a few kilobytes and follows no pointer.  Source: QEMU, docs/interop/qcow2.txt.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agents.errors import AgentError

FORMATS = ("raw", "qcow2", "iso")
_ISO_AT, _ISO_MAGIC = 32769, b"CD001"
_QCOW2 = b"QFI\xfb"
_DIRTY, _COMPRESSION, _EXTENDED_L2 = 1 << 0, 1 << 3, 1 << 4
_KNOWN_BITS = _DIRTY | _COMPRESSION | _EXTENDED_L2
_HARMLESS_EXTENSIONS = {0x6803F857, 0x23852875}  # feature names, bitmaps
_BACKING_FORMAT = 0xE2792ACA
_FOREIGN = (
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"conectix", "vhd"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
)


@dataclass(frozen=True)
class Header:
    """``virtual_size`` in bytes."""

    disk_format: str
    virtual_size: int


def inspect(path: Path, declared: str) -> Header:
    """The header of an image that may be used. Raises AgentError ``image_refused``."""
    if declared not in FORMATS:
        raise _refused(f"format {declared!r} is not one of {', '.join(FORMATS)}")
    with _open(path) as file:
        head = file.read(65536)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - 512, 0))
        footer = file.read(8)
    actual = _actual(head, footer)
    if actual != declared:
        raise _refused(f"declared {declared}, but its content is {actual}")
    if actual != "qcow2":
        return Header(actual, size)
    return _qcow2(head)


def inspect_disk(path: Path, size: int, backing: str, backing_format: str) -> None:
    """A disk from another host: a qcow2 of ``size`` bytes over exactly ``backing``, or over none.

    Raises AgentError ``image_refused``.
    """
    with _open(path) as file:
        head = file.read(65536)
    parts = _qcow2_parts(head)
    if parts.incompatible or parts.snapshots:
        raise _refused("a disk of ours has no snapshots in it and needs no such feature")
    if parts.virtual_size != size:
        raise _refused(f"its size is {parts.virtual_size} bytes, not {size}")
    found = head[parts.backing_at : parts.backing_at + parts.backing_length]
    if found != backing.encode() or len(found) != parts.backing_length:
        raise _refused("its backing file is not the image it was made from")
    formats = _extensions(head, parts.length, {_BACKING_FORMAT} if backing else set())
    if formats.get(_BACKING_FORMAT, b"") != backing_format.encode():
        raise _refused("its backing file has another format than the image")


def _open(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    return os.fdopen(descriptor, "rb")


def _actual(head: bytes, footer: bytes) -> str:
    if head.startswith(_QCOW2):
        return "qcow2"
    for offset, magic, name in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            return name
    if footer == b"conectix":
        return "vhd"
    if head[_ISO_AT : _ISO_AT + len(_ISO_MAGIC)] == _ISO_MAGIC:
        return "iso"
    return "raw"


@dataclass(frozen=True)
class _Parts:
    """A qcow2 header's fields; sizes and places in bytes."""

    virtual_size: int
    backing_at: int
    backing_length: int
    incompatible: int
    snapshots: int
    length: int


def _qcow2(head: bytes) -> Header:
    parts = _qcow2_parts(head)
    if parts.incompatible & ~_KNOWN_BITS:
        raise _refused("qcow2 needs a feature that is not allowed (external data file?)")
    if parts.backing_at or parts.backing_length:
        raise _refused("qcow2 names a backing file")
    _extensions(head, parts.length, set())
    return Header("qcow2", parts.virtual_size)


def _qcow2_parts(head: bytes) -> _Parts:
    if len(head) < 72 or not head.startswith(_QCOW2):
        raise _refused("not a qcow2 header")
    version, backing_at, backing_length, cluster_bits, size, crypt = struct.unpack(
        ">IQIIQI", head[4:36]
    )
    (snapshots,) = struct.unpack(">I", head[60:64])
    if version not in (2, 3):
        raise _refused(f"qcow2 version {version} is not known")
    if not 9 <= cluster_bits <= 21:
        raise _refused("qcow2 cluster size is out of range")
    if crypt:
        raise _refused("encrypted qcow2 is not supported")
    length, incompatible = 72, 0
    if version == 3:
        if len(head) < 104:
            raise _refused("qcow2 header is cut off")
        (incompatible,) = struct.unpack(">Q", head[72:80])
        (length,) = struct.unpack(">I", head[100:104])
        if not 104 <= length <= 4096:
            raise _refused("qcow2 header length is out of range")
    return _Parts(size, backing_at, backing_length, incompatible, snapshots, length)


def _extensions(head: bytes, offset: int, allowed: set[int]) -> dict[int, bytes]:
    """The bodies of the ``allowed`` extensions; any other than harmless ones is refused."""
    found: dict[int, bytes] = {}
    while offset + 8 <= len(head):
        kind, length = struct.unpack(">II", head[offset : offset + 8])
        if kind == 0:
            return found
        if kind in allowed and kind not in found:
            found[kind] = head[offset + 8 : offset + 8 + length]
        elif kind not in _HARMLESS_EXTENSIONS:
            raise _refused(f"qcow2 header extension {kind:#010x} is not allowed")
        offset += 8 + (length + 7) // 8 * 8
    raise _refused("qcow2 header extensions do not end")


def _refused(why: str) -> AgentError:
    return AgentError("image_refused", f"The image is refused: {why}.")
