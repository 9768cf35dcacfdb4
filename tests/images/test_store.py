"""The store of image files: named by ids alone, private, resumable, durable."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.images import corpus
from webcloud.errors import Busy, NotFound, TooLarge, Unavailable
from webcloud.images import store as store_module
from webcloud.images.refusals import ImageRefused
from webcloud.images.store import ImageStore, StoreFull, UploadGone, WrongOffset

IMAGE = "11111111-2222-4333-8444-555555555555"
LIMIT = 10**8

HOSTILE_NAMES = [
    "", ".", "..", "/", "../x", "../../etc/passwd", "/etc/passwd", "..%2f..%2fetc", "%2e%2e/",
    "..\\..\\x", "x\0y", f"{IMAGE}\0", f"{IMAGE}/../x", f"../{IMAGE}", f"{IMAGE}.part", f" {IMAGE}",
    f"{IMAGE} ", f"{IMAGE}\n", IMAGE.upper().replace("1", "A"), IMAGE.replace("-", ""),
    "{" + IMAGE + "}", f"urn:uuid:{IMAGE}", "file:///etc/passwd", "filesystem:///x", "C:\\x",
    "\\\\host\\share", "~root/x", "$HOME", "`id`", "$(id)", "-rf", "*", "?", "a" * 300, "é",
    "．．／x", "..;/x", "....//x", "..%c0%af", "..%252f", "/dev/null", "/dev/stdin",
    "/proc/self/mem", "con", "nul", "x:y", "|id", ";id", "&id", "<x", ">x", "'", '"', "\r\n", "\t",
    "\x7f",
    "\u202e", "0", "1", "None", "null",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "state" / "images")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_sec_S11_no_name_but_an_id_leads_to_a_file(store: ImageStore, name: str) -> None:
    for method in (store.path, store.part, store.source, store.has, store.received, store.delete):
        with pytest.raises(NotFound):
            method(name)
    with pytest.raises(NotFound):
        store.append(name, 0, [b"x"], LIMIT)
    assert not store.root.exists() or not list(store.root.iterdir())


def test_sec_S11_there_are_enough_names() -> None:
    assert len(set(HOSTILE_NAMES)) >= 60


def test_sec_S11_links_in_the_place_of_a_file_are_refused(
    store: ImageStore, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"untouched")
    store.append(IMAGE, 0, [b"x"], LIMIT)
    store.discard(IMAGE)
    for link in (Path.symlink_to, Path.hardlink_to, lambda path, _target: os.mkfifo(path)):
        link(store.part(IMAGE), canary)
        with pytest.raises(Unavailable):
            store.append(IMAGE, 0, [b"x"], LIMIT)
        assert canary.read_bytes() == b"untouched"
        store.discard(IMAGE)
    store.path(IMAGE).symlink_to(canary)
    assert not store.has(IMAGE)
    with pytest.raises(UploadGone):
        store.keep(IMAGE)
    with pytest.raises(ImageRefused):
        store.verify(IMAGE, "raw", LIMIT)


def test_sec_S11_a_store_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        ImageStore(tmp_path / "images").append(IMAGE, 0, [b"x"], LIMIT)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_sec_S17_files_are_private_whatever_the_umask(store: ImageStore) -> None:
    before = os.umask(0)
    try:
        store.append(IMAGE, 0, [corpus.raw()], LIMIT)
        assert stat.S_IMODE(store.part(IMAGE).stat().st_mode) == 0o640
        store.keep(IMAGE)
        store.discard(IMAGE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path(IMAGE).stat().st_mode) == 0o640
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o750
    assert [entry.name for entry in store.root.iterdir()] == [IMAGE]


def test_an_upload_goes_on_only_where_it_ended(store: ImageStore) -> None:
    assert store.append(IMAGE, 0, [b"ab", b"c"], LIMIT) == 3
    for offset in (0, 2, 4):
        with pytest.raises(WrongOffset) as caught:
            store.append(IMAGE, offset, [b"x"], LIMIT)
        assert caught.value.expected == 3
    assert store.append(IMAGE, 3, [b"d"], LIMIT) == 4
    assert store.part(IMAGE).read_bytes() == b"abcd"


def test_what_arrived_before_an_interruption_is_kept(store: ImageStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.append(IMAGE, 0, broken(), LIMIT)
    assert store.received(IMAGE) == 3


def test_sec_S8_more_than_the_limit_is_cut_and_dropped(store: ImageStore) -> None:
    seen = 0

    def endless() -> Iterator[bytes]:
        nonlocal seen
        while True:
            seen += 1000
            yield b"x" * 1000

    with pytest.raises(TooLarge):
        store.append(IMAGE, 0, endless(), 10_000)
    assert seen == 11_000
    assert store.received(IMAGE) == 0
    with pytest.raises(TooLarge):
        store.append(IMAGE, 0, [], 10_000, expected=10_001)


def test_sec_S8_deleting_during_an_upload_ends_it(store: ImageStore) -> None:
    def deleted_halfway() -> Iterator[bytes]:
        yield b"abc"
        store.delete(IMAGE)
        yield b"def"
        raise AssertionError("the upload went on")

    with pytest.raises(UploadGone):
        store.append(IMAGE, 0, deleted_halfway(), LIMIT)
    assert list(store.root.iterdir()) == []


def test_two_uploads_of_one_image_do_not_mix(store: ImageStore) -> None:
    first, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"first"
        first.set()
        assert go_on.wait(10)

    thread = threading.Thread(target=store.append, args=(IMAGE, 0, slow(), LIMIT))
    thread.start()
    assert first.wait(10)
    with pytest.raises(Busy):
        store.append(IMAGE, 5, [b"second"], LIMIT)
    go_on.set()
    thread.join(10)
    assert store.part(IMAGE).read_bytes() == b"first"


def test_a_full_disk_is_told_before_it_is_full(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    free = store_module.RESERVE + 100
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage(0, 0, free))
    store.append(IMAGE, 0, [b"x"], LIMIT, expected=100)
    with pytest.raises(StoreFull):
        store.append(IMAGE, 1, [b"x"], LIMIT, expected=1000)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage(0, 0, free - 200))
    with pytest.raises(StoreFull):
        store.append(IMAGE, 1, [b"x"], LIMIT)


def test_a_disk_that_fills_up_meanwhile_is_told(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    def broken(_file: int, _data: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store_module.os, "write", full)
    with pytest.raises(StoreFull):
        store.append(IMAGE, 0, [b"x"], LIMIT)
    monkeypatch.setattr(store_module.os, "write", broken)
    with pytest.raises(OSError, match="Input/output"):
        store.append(IMAGE, 0, [b"x"], LIMIT)


def test_verified_bytes_become_the_image_and_keeping_twice_is_fine(store: ImageStore) -> None:
    data = corpus.Qcow2().build()
    store.append(IMAGE, 0, [data], LIMIT)
    store.source(IMAGE).write_text("{}")
    verified = store.verify(IMAGE, "qcow2", LIMIT)
    assert verified.size == len(data)
    assert verified.sha256 == hashlib.sha256(data).hexdigest()
    assert verified.sha512 == hashlib.sha512(data).hexdigest()
    store.keep(IMAGE)
    store.keep(IMAGE)
    assert store.verify(IMAGE, "qcow2", LIMIT) == verified
    assert store.sizes() == {IMAGE: len(data)}
    assert store.image_ids() == {IMAGE}
    store.delete(IMAGE)
    store.delete(IMAGE)
    assert store.image_ids() == set()


def test_an_empty_place_has_no_images(store: ImageStore) -> None:
    assert (store.image_ids(), store.sizes(), store.received(IMAGE)) == (set(), {}, 0)
    with pytest.raises(UploadGone):
        store.keep(IMAGE)


def test_sec_S10_a_part_that_was_kept_is_written_by_nobody_any_more(store: ImageStore) -> None:
    """Whoever opened it before it was kept gets its lock a moment too late."""
    store.append(IMAGE, 0, [b"x"], LIMIT)
    real = os.open

    def kept_meanwhile(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        file = real(path, flags, *rest, **more)
        if str(path).endswith(".part"):
            store.keep(IMAGE)
            store.discard(IMAGE)
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webcloud.images.store.os.open", kept_meanwhile)
        with pytest.raises(Busy):
            store.append(IMAGE, 1, [b"y"], LIMIT)
    assert store.path(IMAGE).read_bytes() == b"x"


def test_on_a_disk_without_second_names_the_part_is_renamed(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: Path, _target: Path) -> None:
        raise OSError(number, "not here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    store.append(IMAGE, 0, [b"x"], LIMIT)
    number = errno.EIO
    with pytest.raises(OSError, match="not here"):
        store.keep(IMAGE)
    number = errno.EPERM
    store.keep(IMAGE)
    assert store.path(IMAGE).read_bytes() == b"x"
    assert store.unfinished() == set()


def test_only_who_may_create_a_part_does(store: ImageStore) -> None:
    with pytest.raises(UploadGone), store.writing(IMAGE, create=False):
        pass
    assert store.unfinished() == set()


def test_keeping_again_after_a_crash_keeps_the_newest_bytes(store: ImageStore) -> None:
    store.append(IMAGE, 0, [b"old"], LIMIT)
    store.keep(IMAGE)
    assert store.append(IMAGE, 3, [b""], LIMIT) == 3, "an upload can go on from a kept part"
    store.discard(IMAGE)
    store.append(IMAGE, 0, [b"new"], LIMIT)
    store.keep(IMAGE)
    store.keep(IMAGE)
    assert store.path(IMAGE).read_bytes() == b"new"
    assert store.unfinished() == {IMAGE}
    store.discard(IMAGE)
    assert (store.unfinished(), store.has(IMAGE)) == (set(), True)
