"""Images made byte by byte, so that no qemu is needed to write a hostile one."""

from __future__ import annotations

import struct

BACKING_FORMAT, DATA_FILE, NAMES = 0xE2792ACA, 0x44415441, 0x6803F857


def qcow2(
    *,
    version: int = 3,
    size: int = 1 << 20,
    backing: bytes = b"",
    incompatible: int = 0,
    crypt: int = 0,
    cluster_bits: int = 16,
    header_length: int = 104,
    extensions: tuple[tuple[int, bytes], ...] = (),
    end: bool = True,
) -> bytes:
    """A qcow2 file of one header; what is wrong with it is up to the test."""
    extra = b"".join(
        struct.pack(">II", kind, len(body)) + body.ljust((len(body) + 7) // 8 * 8, b"\0")
        for kind, body in extensions
    )
    extra += bytes(8) if end else b""
    length = header_length if version == 3 else 72
    backing_at = length + len(extra) if backing else 0
    head = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb",
        version,
        backing_at,
        len(backing),
        cluster_bits,
        size,
        crypt,
        1,
        0,
        0,
        1,
        0,
        0,
    )
    if version == 3:
        head += struct.pack(">QQQII", incompatible, 0, 0, 4, header_length)
    body = head + extra + backing
    return body.ljust(65536, b"\0") if end else body


def iso(tail: bytes = b"") -> bytes:
    """The least that is taken for an ISO 9660 image."""
    return tail.ljust(32769, b"\0") + b"CD001" + bytes(4096)
