"""What is refused before any QEMU program sees it; rows of the security list by their ids."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.images import corpus
from tests.images.corpus import MIB, Qcow2
from webcloud.images.inspection import Inspection, inspect
from webcloud.images.refusals import ImageRefused, how_to_convert

DECLARED = ("raw", "qcow2", "iso", "vmdk", "vhd", "vhdx", "vdi", "none")
ALLOWED = {("raw", "raw"), ("raw", "gpt"), ("qcow2", "qcow2"), ("iso", "iso"), ("iso", "iso+gpt")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "image"


def refusal(file: Path, data: bytes, declared: str = "qcow2", limit: int = 1 << 40) -> str:
    """The code with which the bytes are refused."""
    file.write_bytes(data)
    with pytest.raises(ImageRefused) as caught:
        inspect(file, declared, limit)
    assert caught.value.status == 400
    assert caught.value.next_step
    return caught.value.code


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", corpus.BACKING_NAMES)
def test_sec_S1_a_backing_file_is_refused_under_every_declared_format(
    file: Path, name: str, version: int
) -> None:
    data = Qcow2(version=version, backing=corpus.BACKING_NAMES[name]).build()
    assert refusal(file, data, "qcow2") == "qcow2_backing_file"
    for declared in ("raw", "iso"):
        assert refusal(file, data, declared) == "format_mismatch"
    assert refusal(file, data, "vmdk") == "format_unsupported"


def test_sec_S1_either_half_of_a_backing_file_is_enough(file: Path) -> None:
    assert refusal(file, Qcow2(backing_offset=0x8000).build()) == "qcow2_backing_file"
    assert refusal(file, Qcow2(backing_length=9).build()) == "qcow2_backing_file"
    data = Qcow2(extensions=[(corpus.EXT_BACKING_FORMAT, b"raw")]).build()
    assert refusal(file, data) == "qcow2_backing_file"


def test_sec_S1_inspection_opens_the_image_and_nothing_else(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"secret")
    opened: list[str] = []
    real = os.open

    def watched(path: str, *rest: int, **named: int) -> int:
        opened.append(str(path))
        return real(path, *rest, **named)

    file.write_bytes(Qcow2(backing=str(canary).encode()).build())
    monkeypatch.setattr(os, "open", watched)
    with pytest.raises(ImageRefused):
        inspect(file, "qcow2")
    assert opened == [str(file)]


@pytest.mark.parametrize(
    "image",
    [
        Qcow2(incompatible=4),
        Qcow2(incompatible=4, extensions=[(corpus.EXT_DATA_FILE, b"/etc/shadow")]),
        Qcow2(extensions=[(corpus.EXT_DATA_FILE, b"/etc/shadow")]),
        Qcow2(version=2, extensions=[(corpus.EXT_DATA_FILE, b"/etc/shadow")], header_length=72),
        Qcow2(incompatible=4, autoclear=2),
        Qcow2(autoclear=2),
        Qcow2(extensions=[(corpus.EXT_FEATURE_NAMES, b"x" * 48), (corpus.EXT_DATA_FILE, b"/x")]),
    ],
)
def test_sec_S2_an_external_data_file_is_refused(file: Path, image: Qcow2) -> None:
    assert refusal(file, image.build()) == "qcow2_data_file"


@pytest.mark.parametrize("bit", [0, 1, *range(4, 64)])
def test_sec_S2_every_incompatible_bit_but_compression_is_refused(file: Path, bit: int) -> None:
    assert refusal(file, Qcow2(incompatible=1 << bit).build()) == "qcow2_feature"


def test_sec_S2_an_unknown_or_endless_header_extension_is_refused(file: Path) -> None:
    unknown = Qcow2(extensions=[(0x0537BE77, b"\0" * 16)])
    assert refusal(file, unknown.build()) == "qcow2_extension"
    endless = Qcow2(end_of_extensions=False, cluster_bits=9, l1_entries=320, virtual_size=MIB)
    assert refusal(file, endless.build()) == "qcow2_header"


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("actual", corpus.FORMATS)
def test_sec_S3_only_the_truth_is_accepted(file: Path, declared: str, actual: str) -> None:
    data = corpus.FORMATS[actual]
    if (declared, actual) in ALLOWED:
        file.write_bytes(data)
        size = 10 * MIB if actual == "qcow2" else len(data)
        assert inspect(file, declared) == Inspection(declared, size)
        return
    expected = {"format_mismatch"}
    if declared not in ("raw", "qcow2", "iso"):
        expected = {"format_unsupported"}
    elif actual in ("iso+qcow2", "qcow2+gpt"):
        expected = {"format_ambiguous"}
    assert refusal(file, data, declared) in expected


@pytest.mark.parametrize("length", [8, 72, 104, 300, 511])
def test_sec_S3_a_header_in_a_tiny_file_is_still_seen(file: Path, length: int) -> None:
    data = Qcow2(backing=b"/etc/shadow").build()[:length]
    assert refusal(file, data, "raw") == "format_mismatch"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gzip", b"\x1f\x8b\x08"), ("xz", b"\xfd7zXZ\0"), ("bzip2", b"BZh9"), ("zip", b"PK\3\4"),
        ("zstd", b"\x28\xb5\x2f\xfd"), ("tar", b"disk.ovf".ljust(257, b"\0") + b"ustar\0"),
        ("parallels", b"WithoutFreeSpace"), ("bochs", b"Bochs Virtual HD Image"),
        ("dmg", b"x" * 4096 + b"koly".ljust(512, b"\0")),
    ],
)  # fmt: skip
def test_a_packed_or_foreign_file_is_refused_with_the_command_that_helps(
    file: Path, name: str, data: bytes
) -> None:
    file.write_bytes(data.ljust(2048, b"\0") if name != "dmg" else data)
    with pytest.raises(ImageRefused) as caught:
        inspect(file, "raw")
    assert name in caught.value.message
    assert caught.value.next_step == how_to_convert(name)


@pytest.mark.parametrize("declared", ["raw", "qcow2", "iso"])
@pytest.mark.parametrize("create_type", corpus.VMDK_TYPES)
def test_sec_S4_a_vmdk_is_refused_whatever_its_type(
    file: Path, create_type: str, declared: str
) -> None:
    for data in (corpus.vmdk_text(create_type), corpus.vmdk_sparse(create_type, "/etc/shadow")):
        file.write_bytes(data)
        with pytest.raises(ImageRefused, match="vmdk") as caught:
            inspect(file, declared)
        assert (
            caught.value.next_step
            == "Convert it first: qemu-img convert -f vmdk -O qcow2 IN OUT.qcow2"
        )


def test_sec_S4_a_descriptor_in_disguise_is_refused(file: Path) -> None:
    assert refusal(file, corpus.vmdk_plain_text(), "raw") == "format_mismatch"
    assert refusal(file, corpus.vmdk_turning_binary(), "raw") == "format_mismatch"
    assert refusal(file, b"COWD".ljust(4096, b"\0"), "raw") == "format_mismatch"
    file.write_bytes(b"#\n#\n\n".ljust(4096, b"\n"))
    assert inspect(file, "raw").disk_format == "raw"


def test_sec_S6_a_virtual_size_bomb_is_refused(file: Path) -> None:
    bomb = Qcow2(virtual_size=1 << 61, cluster_bits=21, l1_entries=1 << 22, l1_offset=1 << 21)
    bomb.refcount_offset, bomb.file_size = 1 << 21, 40 * MIB
    assert refusal(file, bomb.build()) == "virtual_size_too_large"
    modest = Qcow2(virtual_size=10 * MIB + 512)
    assert refusal(file, modest.build(), limit=10 * MIB) == "virtual_size_too_large"
    assert refusal(file, corpus.raw(), "raw", limit=MIB - 1) == "virtual_size_too_large"
    file.write_bytes(corpus.raw())
    assert inspect(file, "raw", limit=MIB).virtual_size == MIB


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (Qcow2(virtual_size=8 << 60), "qcow2_header"),  # the first table cannot hold 8 EiB
        (Qcow2(virtual_size=0), "qcow2_header"),
        (Qcow2(version=1), "qcow2_header"),
        (Qcow2(version=4), "qcow2_header"),
        (Qcow2(cluster_bits=8), "qcow2_header"),
        (Qcow2(cluster_bits=22), "qcow2_header"),
        (Qcow2(cluster_bits=0xFFFFFFFF), "qcow2_header"),
        (Qcow2(l1_entries=0), "qcow2_header"),
        (Qcow2(l1_entries=0xFFFFFFFF), "qcow2_header"),
        (Qcow2(l1_offset=0), "qcow2_header"),
        (Qcow2(l1_offset=0x30001), "qcow2_header"),
        (Qcow2(l1_offset=0x40000), "image_truncated"),
        (Qcow2(l1_offset=0xFFFFFFFFFFFF0000), "image_truncated"),
        (Qcow2(refcount_clusters=0), "qcow2_header"),
        (Qcow2(refcount_clusters=0xFFFFFFFF), "qcow2_header"),
        (Qcow2(refcount_offset=0x40000), "image_truncated"),
        (Qcow2(refcount_order=7), "qcow2_header"),
        (Qcow2(header_length=96), "qcow2_header"),
        (Qcow2(header_length=108), "qcow2_header"),
        (Qcow2(header_length=0x20000), "qcow2_header"),
        (Qcow2(encryption=1), "qcow2_feature"),
        (Qcow2(encryption=2), "qcow2_feature"),
        (Qcow2(snapshots=1), "qcow2_feature"),
        (Qcow2(version=2, file_size=71), "qcow2_header"),
        (Qcow2(file_size=80), "qcow2_header"),
        (Qcow2(file_size=4096), "image_truncated"),
    ],
)
def test_sec_S6_lying_sizes_and_broken_headers_are_refused(
    file: Path, image: Qcow2, code: str
) -> None:
    assert refusal(file, image.build()) == code


def test_sec_S6_an_iso_that_was_cut_or_lies_is_refused(file: Path) -> None:
    assert refusal(file, corpus.iso(blocks=65), "iso") == "image_truncated"
    assert refusal(file, corpus.iso(blocks=0), "iso") == "image_truncated"
    assert refusal(file, corpus.iso(descriptor=2), "iso") == "image_truncated"


@pytest.mark.parametrize(
    "image",
    [
        Qcow2(version=2),
        Qcow2(incompatible=8, header_length=112, compatible=1),
        Qcow2(extensions=[(corpus.EXT_FEATURE_NAMES, b"x" * 144)]),
    ],
)
def test_an_honest_qcow2_is_accepted(file: Path, image: Qcow2) -> None:
    file.write_bytes(image.build())
    assert inspect(file, "qcow2") == Inspection("qcow2", 10 * MIB)


def test_a_header_that_fills_its_cluster_needs_the_end_mark(file: Path) -> None:
    image = Qcow2(cluster_bits=9, header_length=512, l1_entries=320, virtual_size=MIB)
    assert refusal(file, image.build()) == "qcow2_header"


def test_sec_S17_links_folders_pipes_and_empty_files_are_refused(tmp_path: Path) -> None:
    honest = tmp_path / "honest"
    honest.write_bytes(corpus.raw())
    (tmp_path / "link").symlink_to(honest)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "absent"):
        with pytest.raises(ImageRefused) as caught:
            inspect(tmp_path / name, "raw")
        assert caught.value.code == "not_a_regular_file"
    assert refusal(tmp_path / "empty", b"", "raw") == "image_empty"


def test_no_header_field_can_crash_the_reader(file: Path) -> None:
    honest = Qcow2().build()
    for place in range(4, 104, 4):
        for value in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
            data = honest[:place] + struct.pack(">I", value) + honest[place + 4 :]
            file.write_bytes(data)
            try:
                assert inspect(file, "qcow2", 1 << 40).virtual_size <= 1 << 40
            except ImageRefused as refused:
                assert refused.code
