"""Image files made byte by byte: honest ones of every format, and the permanent hostile corpus.

Every exploit of the published advisories stays here for good, because their
fixes have regressed before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

MIB = 1024 * 1024

EXT_BACKING_FORMAT = 0xE2792ACA
EXT_DATA_FILE = 0x44415441
EXT_FEATURE_NAMES = 0x6803F857


@dataclass
class Qcow2:
    """A qcow2 file of four clusters; change a field to make it hostile."""

    version: int = 3
    backing: bytes = b""
    backing_offset: int = 0
    backing_length: int = 0
    cluster_bits: int = 16
    virtual_size: int = 10 * MIB
    encryption: int = 0
    l1_entries: int = 1
    l1_offset: int = 0x30000
    refcount_offset: int = 0x10000
    refcount_clusters: int = 1
    snapshots: int = 0
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_length: int = 104
    extensions: list[tuple[int, bytes]] = field(default_factory=list)
    end_of_extensions: bool = True
    file_size: int = 0x40000

    def build(self) -> bytes:
        offset, length = self.backing_offset, self.backing_length
        if self.backing:
            offset, length = 0x8000, len(self.backing)
        head = b"QFI\xfb" + struct.pack(
            ">IQIIQIIQQIIQ", self.version, offset, length, self.cluster_bits, self.virtual_size,
            self.encryption, self.l1_entries, self.l1_offset, self.refcount_offset,
            self.refcount_clusters, self.snapshots, 0,
        )  # fmt: skip
        if self.version >= 3:
            head += struct.pack(
                ">QQQII", self.incompatible, self.compatible, self.autoclear,
                self.refcount_order, self.header_length,
            )  # fmt: skip
        for kind, data in self.extensions:
            head += struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)
        if not self.end_of_extensions:
            head += struct.pack(">II", EXT_FEATURE_NAMES, 0) * 8192
        image = bytearray(head.ljust(self.file_size, b"\0")[: self.file_size])
        if self.backing:
            image[0x8000 : 0x8000 + len(self.backing)] = self.backing
        return bytes(image[: self.file_size])


def raw() -> bytes:
    return b"\xeb\x3c\x90any boot code".ljust(MIB, b"\0")


def gpt() -> bytes:
    """A protective MBR, as every disk with a GPT has."""
    image = bytearray(raw())
    image[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, 2047)
    image[510:512] = b"\x55\xaa"
    return bytes(image)


def iso(blocks: int = 64, descriptor: int = 1, held: int = 64) -> bytes:
    image = bytearray(held * 2048)
    image[0x8000:0x8007] = bytes([descriptor]) + b"CD001\x01"
    image[0x8050:0x8058] = struct.pack("<I", blocks) + struct.pack(">I", blocks)
    image[0x8080:0x8084] = struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return bytes(image)


def iso_gpt() -> bytes:
    image = bytearray(iso())
    image[446:512] = gpt()[446:512]
    return bytes(image)


def iso_qcow2() -> bytes:
    image = bytearray(Qcow2().build())
    image[0x8000:0x8800] = iso()[0x8000:0x8800]
    return bytes(image)


def qcow2_partition_table() -> bytes:
    image = bytearray(Qcow2().build())
    image[446:512] = gpt()[446:512]
    return bytes(image)


VMDK_TYPES = (
    "monolithicSparse", "streamOptimized", "monolithicFlat", "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat", "vmfs", "vmfsSparse", "vmfsRaw", "fullDevice", "partitionedDevice",
    "custom",
)  # fmt: skip


def vmdk_text(create_type: str = "monolithicFlat", extent: str = "/etc/shadow") -> bytes:
    text = (
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="{create_type}"\n# Extent description\nRW 4096 FLAT "{extent}" 0\n'
    )
    return text.encode().ljust(4096, b"\0")


def vmdk_plain_text() -> bytes:
    """No comment line that gives it away: QEMU's probe is content with ``version``."""
    return b'\n# anything\n Version = 1\nRW 4096 FLAT "/etc/shadow" 0\n'.ljust(4096, b"\n")


def vmdk_sparse(create_type: str = "monolithicSparse", extent: str = "disk.vmdk") -> bytes:
    head = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 21, 26)
    return (head.ljust(512, b"\0") + vmdk_text(create_type, extent)).ljust(MIB, b"\0")


def vmdk_turning_binary() -> bytes:
    """Text long enough to be taken for a descriptor, then bytes that are no text."""
    return (b"createType=" * 100)[:600] + b"\xff\xfe" * 4096


FORMATS: dict[str, bytes] = {
    "raw": raw(),
    "gpt": gpt(),
    "qcow2": Qcow2().build(),
    "iso": iso(),
    "iso+gpt": iso_gpt(),
    "vmdk": vmdk_sparse(),
    "vhd": b"conectix".ljust(MIB, b"\0"),
    "vhd fixed": b"\0" * MIB + b"conectix".ljust(512, b"\0"),
    "vhdx": b"vhdxfile".ljust(MIB, b"\0"),
    "vdi": (b"<<< Oracle VM VirtualBox".ljust(64, b"\0") + b"\x7f\x10\xda\xbe").ljust(MIB, b"\0"),
    "qed": b"QED\0".ljust(MIB, b"\0"),
    "luks": (b"LUKS\xba\xbe\0\1").ljust(MIB, b"\0"),
    "luks 2": (b"LUKS\xba\xbe\0\2").ljust(MIB, b"\0"),
    "iso+qcow2": iso_qcow2(),
    "qcow2+gpt": qcow2_partition_table(),
}

BACKING_NAMES: dict[str, bytes] = {
    "absolute": b"/etc/shadow",
    "relative": b"../../../../etc/shadow",
    "json": b'json:{"driver":"file","filename":"/etc/shadow"}',
    "json nested": b'json:{"file":{"driver":"host_device","filename":"/dev/sda"}}',
    "nbd": b"nbd:127.0.0.1:10809",
    "nbd unix": b"nbd+unix:///?socket=/run/webcloud/handover.sock",
    "file url": b"file:/etc/shadow",
    "http": b"http://169.254.169.254/latest/meta-data/",
    "utf-8": "/tmp/cănh-đẹp".encode(),
    "not utf-8": b"/tmp/\xff\xfe",
    "over-long": b"/" + b"a" * 1100,
    "nul": b"/etc/shadow\0.qcow2",
}
