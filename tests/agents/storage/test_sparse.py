"""A disk as a stream: the same bytes wherever it begins, and nothing but a disk back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import AgentError
from agents.storage.sparse import BLOCK, RECORD, Writer, arrived, measure, stream

LIMIT = 1 << 24
FULL = b"x" * BLOCK


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[int]:
    if content is not None:
        path.write_bytes(content)
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield file
    finally:
        os.close(file)


def sent(path: Path, begin: int = 0) -> bytes:
    with opened(path) as file:
        return b"".join(stream(file, begin))


def refused(path: Path, *pieces: bytes) -> None:
    path.unlink(missing_ok=True)
    with opened(path) as file, pytest.raises(AgentError) as refusal:
        writer = Writer(file, LIMIT)
        for piece in pieces:
            writer.write(piece)
    assert refusal.value.code == "transfer_corrupt"


CONTENTS = st.lists(st.sampled_from([b"\0" * BLOCK, FULL, b"y" * 100, b"\0" * 700]), max_size=5)


@settings(max_examples=40, deadline=None)
@given(pieces=CONTENTS, begin=st.integers(0, 5 * BLOCK), cut=st.integers(1, 3 * BLOCK))
def test_what_arrives_is_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], begin: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("sparse")
    source, target = folder / "source", folder / "target"
    source.write_bytes(b"".join(pieces))
    whole = sent(source)
    assert sent(source, begin) == whole[begin:]
    with opened(source) as file:
        measured = measure(file)
    assert (measured.length, measured.digest.digest()) == (
        len(whole),
        hashlib.sha256(whole).digest(),
    )
    with opened(target) as file:
        writer = Writer(file, LIMIT)
        for at in range(0, len(whole), cut):
            assert not writer.complete
            writer.write(whole[at : at + cut])
        assert writer.complete
    assert target.read_bytes() == source.read_bytes()


def test_holes_and_zeros_are_not_sent(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with opened(disk) as file:
        os.ftruncate(file, 1 << 32)
        os.pwrite(file, b"a", 3 * BLOCK + 7)
        os.pwrite(file, bytes(4 * BLOCK), 9 * BLOCK)
    assert len(sent(disk)) == RECORD.size * 2 + BLOCK
    with opened(tmp_path / "copy") as file:
        Writer(file, 1 << 33).write(sent(disk))
        status = os.fstat(file)
    assert status.st_size == 1 << 32
    assert status.st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("broken_off", [0, 1, BLOCK, BLOCK + 5, 2 * BLOCK + 3 * RECORD.size + 9])
def test_what_has_arrived_can_be_told_from_the_file(tmp_path: Path, broken_off: int) -> None:
    source, part = tmp_path / "source", tmp_path / "part"
    source.write_bytes(FULL + bytes(BLOCK) + b"y" * BLOCK + b"z" * 100)
    whole = sent(source)
    with opened(part) as file:
        Writer(file, LIMIT).write(whole[:broken_off])
    with opened(part) as file:
        found = arrived(file)
        assert found.digest.digest() == hashlib.sha256(whole[: found.length]).digest()
        assert broken_off - BLOCK - RECORD.size - 100 < found.length <= max(broken_off, 0)
        writer = Writer(file, LIMIT)
        writer.write(whole[found.length :])
        assert writer.complete
    assert part.read_bytes() == source.read_bytes()


def test_a_stream_that_is_no_disk_is_refused(tmp_path: Path) -> None:
    part = tmp_path / "part"
    end = RECORD.pack(BLOCK, 0)
    block = RECORD.pack(0, BLOCK) + FULL
    refused(part, block + block)  # One place twice.
    refused(part, RECORD.pack(BLOCK, 5) + b"later", block)  # Backwards.
    refused(part, RECORD.pack(7, 5) + b"askew")
    refused(part, RECORD.pack(0, BLOCK + 1))
    refused(part, RECORD.pack(LIMIT, BLOCK))  # Beyond the largest size.
    refused(part, RECORD.pack(LIMIT + 1, 0))
    refused(part, RECORD.pack(1 << 63, 0))
    refused(part, block + RECORD.pack(BLOCK - 1, 0))  # Cutting off what was sent.
    refused(part, block + end + b"more")
    refused(part, block + end, b"more" * 4)
    assert part.stat().st_size <= LIMIT
