"""What a file really is, read from its headers with our own code.

``inspect`` is the one gate between received bytes and everything else: it
runs no program, follows no name found inside the file, and reads at most 4 MiB
from its start and 512 bytes from its end.  oslo.utils' format inspector
recognises formats; ``qcow2_header`` then checks a qcow2 file more strictly
than QEMU would.  A file that could be two things is refused.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oslo_utils.imageutils import format_inspector

from webcloud.images import qcow2_header
from webcloud.images.refusals import ACCEPTED, ImageRefused, mismatch, unsupported
from webcloud.words import say

HEAD = 4 * 1024 * 1024
CHUNK = 4096
DEFAULT_LIMIT = 2 * 1024**4  # bytes of virtual size; a service passes the configured one

# (offset, bytes, name): what the format inspector does not know, and once more
# what it does know but overlooks in a file shorter than the header it expects.
_MAGICS = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0x8001, b"CD001", "iso"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"conectix", "vhd"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "cloop"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"BZh", "bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"PK\x03\x04", "zip"),
    (257, b"ustar", "tar"),
)
_END_MAGICS = ((b"conectix", "vhd"), (b"koly", "dmg"))


@dataclass(frozen=True)
class Inspection:
    """``disk_format`` is raw, qcow2 or iso; ``virtual_size`` is in bytes."""

    disk_format: str
    virtual_size: int


def inspect(path: Path, declared: str, limit: int = DEFAULT_LIMIT) -> Inspection:
    """Check that ``path`` is a safe image of the ``declared`` format.

    ``declared`` is the format the sender named; it must be raw, qcow2 or iso,
    and true.  ``limit`` bounds the virtual size in bytes.  Raises ImageRefused.
    """
    if declared not in ACCEPTED:
        raise unsupported(declared)
    with _opened(path) as (file, size):
        head = os.pread(file, HEAD, 0)
        actual = _recognise(head, os.pread(file, 512, max(size - 512, 0)))
        if actual != declared:
            raise mismatch(declared, actual)
        if actual == "qcow2":
            virtual_size = qcow2_header.check(
                lambda offset, length: os.pread(file, length, offset), size
            )
        else:
            virtual_size = size
        if actual == "iso":
            _check_iso(head, size)
    if virtual_size > limit:
        raise ImageRefused(
            "virtual_size_too_large",
            say(
                "The image describes a disk of {virtual_size} bytes; at most {limit} are allowed.",
                virtual_size=virtual_size,
                limit=limit,
            ),
            next_step="Use a smaller image, or ask the administrator to raise image_max_gb.",
        )
    return Inspection(actual, virtual_size)


def _recognise(head: bytes, tail: bytes) -> str:
    """The one format that the bytes are; raises ImageRefused when they are several."""
    found = _detected(head)
    found |= {name for offset, magic, name in _MAGICS if head[offset:].startswith(magic)}
    found |= {name for magic, name in _END_MAGICS if tail.startswith(magic)}
    if _is_vmdk_text(head):
        found.add("vmdk")
    # A partition table in the first sector is part of a raw disk, and of an
    # ISO that can also be written to a USB stick.
    found.discard("gpt")
    if len(found) > 1:
        names = " and ".join(sorted(found))
        raise ImageRefused(
            "format_ambiguous",
            say(
                "The file looks like {names} at the same time, which is a known attack.",
                names=names,
            ),
            next_step="Upload an image that is one format only.",
        )
    return found.pop() if found else "raw"


def _detected(head: bytes) -> set[str]:
    """Formats that oslo.utils sees in the head of the file; raw is the empty set."""
    wrapper = format_inspector.InspectWrapper(io.BytesIO(head))
    while wrapper.read(CHUNK):
        pass
    wrapper.close()
    try:
        matches = wrapper.formats or []
    except AttributeError:
        # Its VMDK reader gives up on text that turns into binary data; so do we.
        return {"vmdk"}
    names = {str(match) for match in matches} - {"raw"}
    if "gpt" in names and "qcow2" in names:
        return names | {"partition table"}
    return names


def _is_vmdk_text(head: bytes) -> bool:
    """QEMU also takes a text file for a VMDK whose first real line is ``version=``."""
    for line in head[:CHUNK].split(b"\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            return stripped.lower().replace(b" ", b"").startswith(b"version=")
    return False


def _check_iso(head: bytes, size: int) -> None:
    inspector = format_inspector.ISOInspector()
    inspector.eat_chunk(head)
    if not 0 < inspector.virtual_size <= size:
        raise ImageRefused(
            "image_truncated",
            say(
                "The ISO file says it has {virtual_size} bytes but {size} were received.",
                virtual_size=inspector.virtual_size,
                size=size,
            ),
            next_step="Compare its size with the original and upload it again.",
        )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """A descriptor of a regular, non-empty file that is no symbolic link, and its size."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _not_regular() from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular()
        if status.st_size == 0:
            raise ImageRefused(
                "image_empty", "The image has no bytes.", next_step="Upload it again."
            )
        yield file, status.st_size
    finally:
        os.close(file)


def _not_regular() -> ImageRefused:
    return ImageRefused("not_a_regular_file", "The image is not a regular file.")
