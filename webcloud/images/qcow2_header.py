"""Our own strict reading of a qcow2 header, before any QEMU program sees the file.

The layout and its limits are those of QEMU's docs/interop/qcow2.txt and
block/qcow2.h.  Anything that could make QEMU open another file, decrypt, write
a repair, or use memory out of proportion is refused: so are features and
extensions that this reader does not know.  It follows no table of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from webcloud.images.refusals import ImageRefused
from webcloud.words import say, word

MAGIC = b"QFI\xfb"
V2_LENGTH = 72
V3_LENGTH = 104
MAX_L1_BYTES = 32 * 1024 * 1024
MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024

_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION = 1, 2, 4, 8
_AUTOCLEAR_RAW_DATA_FILE = 2

_EXT_END = 0x00000000
_EXT_BACKING_FORMAT = 0xE2792ACA
_EXT_DATA_FILE = 0x44415441
_EXT_FEATURE_NAMES = 0x6803F857

REWRITE = "Write it anew: qemu-img convert -f qcow2 -O qcow2 IN OUT.qcow2"

Reader = Callable[[int, int], bytes]  # (offset, length) -> at most length bytes


@dataclass(frozen=True)
class Header:
    """The fixed fields, in the file's order; sizes and offsets in bytes."""

    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    virtual_size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    length: int = V2_LENGTH

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits


def check(read: Reader, file_size: int) -> int:
    """The virtual size in bytes of a qcow2 file; raises ImageRefused for anything odd."""
    header = _parse(read(0, V3_LENGTH))
    _check_references(header)
    _check_features(header)
    _check_geometry(header, file_size)
    _check_extensions(header, read)
    return header.virtual_size


def _parse(data: bytes) -> Header:
    if len(data) < V2_LENGTH:
        raise _broken(say("it is shorter than its header"))
    fields = struct.unpack(">IQIIQIIQQIIQ", data[4:V2_LENGTH])
    if fields[0] == 2:
        return Header(*fields)
    if fields[0] != 3:
        raise _broken(say("version {version} is not 2 or 3", version=fields[0]))
    if len(data) < V3_LENGTH:
        raise _broken(say("it is shorter than its header"))
    return Header(*fields, *struct.unpack(">QQQII", data[V2_LENGTH:]))


def _check_references(header: Header) -> None:
    if header.backing_offset or header.backing_length:
        raise ImageRefused(
            "qcow2_backing_file",
            "The image depends on another file (a backing file), which is not allowed.",
            next_step="Make it stand alone on the machine that has both files: "
            "qemu-img convert -O qcow2 IN OUT.qcow2",
        )
    if header.incompatible & _DATA_FILE or header.autoclear & _AUTOCLEAR_RAW_DATA_FILE:
        raise _data_file()


def _check_features(header: Header) -> None:
    if header.encryption:
        raise _feature(say("it is encrypted"))
    if header.incompatible & _DIRTY:
        raise _feature(say("it was not closed properly"))
    if header.incompatible & _CORRUPT:
        raise _feature(say("it is marked as corrupt"))
    unknown = header.incompatible & ~_COMPRESSION
    if unknown:
        raise _feature(
            say("it uses features (bits {unknown:#x}) that are not accepted", unknown=unknown)
        )
    if header.snapshots:
        raise _feature(say("it contains internal snapshots"))


def _check_geometry(header: Header, file_size: int) -> None:
    if not 9 <= header.cluster_bits <= 21:
        raise _broken(say("its cluster size is out of range"))
    if header.version == 3:
        if header.refcount_order > 6:
            raise _broken(say("its reference counts are wider than 64 bits"))
        if header.length < V3_LENGTH or header.length % 8 or header.length > header.cluster:
            raise _broken(say("its header length is wrong"))
    if header.virtual_size == 0:
        raise _broken(say("it describes a disk of no size"))
    bytes_per_l1_entry = header.cluster * (header.cluster // 8)
    if header.l1_entries < -(-header.virtual_size // bytes_per_l1_entry):
        raise _broken(say("its first table is too short for its size"))
    first = (header.l1_offset, header.l1_entries * 8)
    counts = (header.refcount_offset, header.refcount_clusters * header.cluster)
    _check_table("first", first, MAX_L1_BYTES, header.cluster, file_size)
    _check_table("reference count", counts, MAX_REFCOUNT_TABLE_BYTES, header.cluster, file_size)


def _check_table(
    name: str, span: tuple[int, int], limit: int, cluster: int, file_size: int
) -> None:
    """The table must be there, aligned, of a sane length, and inside the file."""
    offset, length = span
    if length == 0 or length > limit:
        raise _broken(say("its {name} table has an impossible length", name=name))
    if offset < cluster or offset % cluster:
        raise _broken(say("its {name} table is at an impossible place", name=name))
    if offset + length > file_size:
        raise ImageRefused(
            "image_truncated",
            say("The qcow2 file ends before its {name} table does: it was cut off.", name=name),
            next_step="Compare its size with the original and upload it again.",
        )


def _check_extensions(header: Header, read: Reader) -> None:
    place = header.length
    while place + 8 <= header.cluster:
        # The tables, checked before, lie behind the first cluster: it is there in full.
        kind, length = struct.unpack(">II", read(place, 8))
        if kind == _EXT_END:
            return
        if kind == _EXT_DATA_FILE:
            raise _data_file()
        if kind == _EXT_BACKING_FORMAT:
            raise ImageRefused(
                "qcow2_backing_file",
                "The image names the format of a backing file, which is not allowed.",
                next_step=REWRITE,
            )
        if kind != _EXT_FEATURE_NAMES:
            raise ImageRefused(
                "qcow2_extension",
                say(
                    "The qcow2 file has a header extension ({kind:#010x}) that is not accepted.",
                    kind=kind,
                ),
                next_step=REWRITE,
            )
        place += 8 + -(-length // 8) * 8
    raise _broken(say("its header extensions do not end within the first cluster"))


def _data_file() -> ImageRefused:
    return ImageRefused(
        "qcow2_data_file",
        "The image keeps its data in another file (an external data file), which is not allowed.",
        next_step="Make it stand alone on the machine that has both files: "
        "qemu-img convert -O qcow2 IN OUT.qcow2",
    )


def _feature(why: str) -> ImageRefused:
    return ImageRefused(
        "qcow2_feature",
        say("The qcow2 file cannot be used: {why}.", why=word(why)),
        next_step=REWRITE,
    )


def _broken(why: str) -> ImageRefused:
    return ImageRefused(
        "qcow2_header", say("The qcow2 file is damaged: {why}.", why=word(why)), next_step=REWRITE
    )
