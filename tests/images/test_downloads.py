"""Downloads in threads: stopped, checked against a checksum, taken up by the next process."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import corpus
from tests.images.web import Site, serving_site
from webcloud.images.download import Limits
from webcloud.images.downloads import Download, Downloads, Source
from webcloud.images.store import ImageStore

IMAGE = "11111111-2222-4333-8444-555555555555"
LIMITS = Limits(10**8, allow_private=True)
DATA = corpus.raw()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site(Site(DATA)) as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def downloads(store: ImageStore) -> Downloads:
    return Downloads(store, LIMITS)


def ended(downloads: Downloads, source: Source) -> Download:
    download = downloads.ensure(IMAGE, source)
    assert download.ended.wait(20)
    return download


def code(download: Download) -> str:
    assert download.error is not None
    return download.error.code


def test_a_download_ends_verified_and_stored(downloads: Downloads, site: Site) -> None:
    download = ended(downloads, Source(site.url(), "raw"))
    assert download.verified is not None
    assert download.verified.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (download.received, download.whole, download.stage) == (len(DATA), len(DATA), "store")
    assert downloads.store.path(IMAGE).read_bytes() == DATA
    assert downloads.ensure(IMAGE, Source(site.url(), "raw")) is download
    # After the process is gone, the file alone is enough.
    again = ended(Downloads(downloads.store, LIMITS), Source("http://127.0.0.1:1/", "raw"))
    assert again.verified == download.verified


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_sec_S20_only_the_right_checksum_is_accepted(
    downloads: Downloads, site: Site, algorithm: str
) -> None:
    right = hashlib.new(algorithm, DATA).hexdigest()
    wrong = hashlib.new(algorithm, DATA + b"x").hexdigest()
    refused = ended(downloads, Source(site.url(), "raw", checksum=wrong))
    assert code(refused) == "checksum_mismatch"
    assert not downloads.store.has(IMAGE)
    assert downloads.stopped(IMAGE)
    downloads.store.discard(IMAGE)
    site.texts["/SUMS"] = f"{wrong}  image.img\n"
    by_list = Source(site.url(), "raw", checksum_url=site.url("/SUMS"))
    assert code(ended(downloads, by_list)) == "checksum_mismatch"
    assert downloads.stopped(IMAGE)
    site.texts["/SUMS"] = f"{right.upper()}  image.img\n"
    assert ended(downloads, by_list).verified is not None


def test_hostile_bytes_are_refused_and_not_kept_as_an_image(
    downloads: Downloads, site: Site
) -> None:
    site.data = corpus.Qcow2(backing=b"/etc/shadow").build()
    assert code(ended(downloads, Source(site.url(), "qcow2"))) == "qcow2_backing_file"
    assert not downloads.store.has(IMAGE)


def test_a_connection_that_breaks_is_taken_up_again(downloads: Downloads, site: Site) -> None:
    site.cut_after = 200_000
    assert ended(downloads, Source(site.url(), "raw")).verified is not None
    assert site.ranges == [None, "bytes=200000-"]


def test_a_stopped_download_leaves_only_its_part(downloads: Downloads, site: Site) -> None:
    site.gate = threading.Event()
    source = Source(site.url(), "raw")
    download = downloads.ensure(IMAGE, source)
    until(lambda: download.received > 0)
    assert not downloads.stopped(IMAGE)
    site.gate.set()
    assert download.ended.wait(20)
    assert downloads.stopped(IMAGE)
    assert (download.verified, download.error) == (None, None)
    assert not downloads.store.has(IMAGE)


def test_two_processes_do_not_mix_one_image(downloads: Downloads, site: Site) -> None:
    site.gate = threading.Event()
    source = Source(site.url(), "raw")
    first = downloads.ensure(IMAGE, source)
    until(lambda: first.received > 0)
    second = Downloads(downloads.store, LIMITS).ensure(IMAGE, source)
    time.sleep(0.3)
    assert not second.ended.is_set()
    site.gate.set()
    assert first.ended.wait(20)
    assert second.ended.wait(20)
    assert first.verified == second.verified is not None
    assert downloads.store.path(IMAGE).read_bytes() == DATA


def test_what_is_being_checked_is_neither_dropped_nor_begun_anew(
    downloads: Downloads, site: Site
) -> None:
    """The site has no validator, so that another process would begin at the first byte."""
    site.etag = ""
    checking, others = threading.Event(), threading.Event()
    real = ImageStore.verify

    def slowly(self: ImageStore, *rest: object) -> object:
        if not checking.is_set():
            checking.set()
            assert others.wait(20)
        return real(self, *rest)  # type: ignore[arg-type]

    source = Source(site.url(), "raw")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageStore, "verify", slowly)
        first = downloads.ensure(IMAGE, source)
        assert checking.wait(20)
        second = Downloads(downloads.store, LIMITS).ensure(IMAGE, source)
        time.sleep(0.3)
        assert downloads.store.received(IMAGE) == len(DATA), "it was dropped while it was checked"
        others.set()
        assert first.ended.wait(20)
        assert second.ended.wait(20)
    assert (first.error, second.error) == (None, None)
    assert first.verified == second.verified is not None
    assert downloads.store.path(IMAGE).read_bytes() == DATA
    assert downloads.store.unfinished() == set()


def test_a_part_that_another_process_has_taken_away_is_received_again(
    downloads: Downloads, site: Site
) -> None:
    real, taken = ImageStore.writing, []

    def taken_away(self: ImageStore, image_id: str, *, create: bool = True) -> object:
        if not create and not taken:
            taken.append(self.discard(image_id))
        return real(self, image_id, create=create)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageStore, "writing", taken_away)
        assert ended(downloads, Source(site.url(), "raw")).verified is not None
    assert taken
    assert downloads.store.path(IMAGE).read_bytes() == DATA


def test_a_part_beside_an_image_that_was_kept_already_is_dropped(
    downloads: Downloads, site: Site
) -> None:
    """As when a process died between the two, or another one came a moment too late."""
    store = downloads.store
    store.append(IMAGE, 0, [DATA], 10**8)
    store.keep(IMAGE)
    assert store.unfinished() == {IMAGE}
    assert ended(downloads, Source("http://127.0.0.1:1/", "raw")).verified is not None
    assert store.unfinished() == set()
    assert store.path(IMAGE).read_bytes() == DATA


CHILD = """
import sys, time
from pathlib import Path
from webcloud.images.download import Limits
from webcloud.images.downloads import Downloads, Source
from webcloud.images.store import ImageStore
downloads = Downloads(ImageStore(Path(sys.argv[1])), Limits(10**8, allow_private=True))
downloads.ensure(sys.argv[2], Source(sys.argv[3], "raw"))
time.sleep(60)
"""


def test_after_a_kill_the_next_process_goes_on(downloads: Downloads, site: Site) -> None:
    site.gate = threading.Event()
    argv = [sys.executable, "-c", CHILD, str(downloads.store.root), IMAGE, site.url()]
    child = subprocess.Popen(argv)
    try:
        until(lambda: downloads.store.received(IMAGE) >= 256 * 1024)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    received = downloads.store.received(IMAGE)
    site.gate.set()
    assert ended(downloads, Source(site.url(), "raw")).verified is not None
    assert site.ranges == [None, f"bytes={received}-"]
    assert downloads.store.path(IMAGE).read_bytes() == DATA
    assert downloads.store.image_ids() == {IMAGE}


def until(condition: object) -> None:
    end = time.monotonic() + 15
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)
