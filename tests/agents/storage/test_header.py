"""No image that could lead QEMU to another file gets past its header."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from agents.errors import AgentError
from agents.storage.header import Header, inspect
from tests.agents.storage.images import BACKING_FORMAT, DATA_FILE, NAMES, iso, qcow2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image"


def refused(path: Path, content: bytes, declared: str) -> str:
    path.write_bytes(content)
    with pytest.raises(AgentError) as refusal:
        inspect(path, declared)
    assert refusal.value.code == "image_refused"
    return str(refusal.value)


def test_plain_images_of_each_format_are_accepted(path: Path) -> None:
    path.write_bytes(bytes(4096))
    assert inspect(path, "raw") == Header("raw", 4096)
    path.write_bytes(b"")
    assert inspect(path, "raw") == Header("raw", 0)
    path.write_bytes(iso())
    assert inspect(path, "iso").disk_format == "iso"
    for version in (2, 3):
        path.write_bytes(qcow2(version=version, size=12345678))
        assert inspect(path, "qcow2") == Header("qcow2", 12345678)
    path.write_bytes(qcow2(incompatible=0b11001, extensions=((NAMES, b"x" * 48),)))
    inspect(path, "qcow2")


def test_what_qemu_img_writes_is_accepted(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "32M"], check=True)
    assert inspect(path, "qcow2") == Header("qcow2", 32 << 20)
    above = path.with_name("above")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "image", "-F", "qcow2", above],
        check=True,
    )
    refused(path, above.read_bytes(), "qcow2")


@pytest.mark.parametrize(
    "backing",
    [b"/etc/shadow", b"../x", b"json:{}", b"nbd:localhost", b"file:/x", "é".encode(), b"a" * 1023],
)
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("declared", ["qcow2", "raw", "iso"])
def test_s1_a_backing_file_is_refused(
    path: Path, backing: bytes, version: int, declared: str
) -> None:
    refused(path, qcow2(version=version, backing=backing), declared)


@pytest.mark.parametrize("bit", [1, 2, *range(5, 64)])
def test_s2_every_other_incompatible_bit_is_refused(path: Path, bit: int) -> None:
    refused(path, qcow2(incompatible=1 << bit), "qcow2")


@pytest.mark.parametrize(
    "content",
    [
        qcow2(extensions=((DATA_FILE, b"/etc/shadow"),)),
        qcow2(extensions=((NAMES, b""), (DATA_FILE, b"raw"))),
        qcow2(extensions=((BACKING_FORMAT, b"raw"),)),
        qcow2(extensions=((0x12345678, b"unknown"),)),
        qcow2(extensions=((NAMES, b"cut"),), end=False),
        qcow2(crypt=2),
        qcow2(cluster_bits=8),
        qcow2(cluster_bits=22),
        qcow2(version=1),
        qcow2(version=4),
        qcow2(header_length=72),
        qcow2(header_length=65536),
        qcow2()[:90],
        qcow2()[:40],
        b"QFI\xfb",
    ],
)
def test_s2_other_tricks_in_the_header_are_refused(path: Path, content: bytes) -> None:
    refused(path, content, "qcow2")


FOREIGN = {
    "vmdk": b"KDMV" + bytes(600),
    "vmdk text": b"# Disk DescriptorFile\n" + bytes(600),
    "vmdk cow": b"COWD" + bytes(600),
    "vhd": b"conectix" + bytes(600),
    "vhd footer": bytes(1024) + b"conectix" + bytes(504),
    "vhdx": b"vhdxfile" + bytes(600),
    "qed": b"QED\0" + bytes(600),
    "luks": b"LUKS\xba\xbe" + bytes(600),
    "parallels": b"WithoutFreeSpace" + bytes(600),
    "parallels ext": b"WithouFreSpacExt" + bytes(600),
    "vdi": bytes(64) + b"\x7f\x10\xda\xbe" + bytes(600),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("declared", ["raw", "qcow2", "iso"])
def test_s3_other_formats_are_refused_whatever_they_claim(
    path: Path, content: bytes, declared: str
) -> None:
    refused(path, content, declared)


def test_s3_only_the_declared_format_is_accepted(path: Path) -> None:
    contents = {"raw": bytes(65536), "qcow2": qcow2(), "iso": iso()}
    for declared in contents:
        for actual, content in contents.items():
            if actual != declared:
                assert f"content is {actual}" in refused(path, content, declared)
    refused(path, bytes(512), "vmdk")


def test_s3_polyglots_are_what_qemu_would_take_them_for(path: Path) -> None:
    both = iso(qcow2()[:32000])
    assert "content is qcow2" in refused(path, both, "iso")
    refused(path, iso(b"KDMV"), "iso")


def test_s7_random_headers_never_do_anything_but_pass_or_be_refused(path: Path) -> None:
    chosen = random.Random(7)
    good = bytearray(qcow2(extensions=((NAMES, b"n" * 48),)))
    for _ in range(300):
        broken = bytearray(good)
        for _ in range(chosen.randint(1, 12)):
            broken[chosen.randrange(180)] = chosen.randrange(256)
        path.write_bytes(broken[: chosen.choice((60, 80, 110, 200, 65536))])
        try:
            inspect(path, chosen.choice(("raw", "qcow2", "iso")))
        except AgentError as error:
            assert error.code == "image_refused"


def test_a_link_is_not_followed(path: Path) -> None:
    path.with_name("target").write_bytes(bytes(512))
    path.symlink_to(path.with_name("target"))
    with pytest.raises(OSError, match="symbolic"):
        inspect(path, "raw")
