"""The downloads of this process, each in a thread of its own.

A conductor's step may last seconds only, so it asks ``ensure`` again and again
and reads how far the thread is.  Nothing here touches the database.  When the
process dies, the next one's ``ensure`` goes on from the part file; when two
processes try, the part file's lock lets one through.
"""

from __future__ import annotations

import hmac
import logging
import threading
from dataclasses import dataclass, field

from webcloud.errors import Busy, Unavailable, WebcloudError
from webcloud.images import checksums
from webcloud.images.addresses import AddressRefused
from webcloud.images.download import Limits, Stopped, fetch
from webcloud.images.refusals import ImageRefused
from webcloud.images.store import ImageStore, UploadGone, Verified, WrongOffset

log = logging.getLogger(__name__)

MOST_TRIES = 5  # in a row, without a byte received in between


@dataclass(frozen=True)
class Source:
    """What to fetch. ``checksum`` is sha256 or sha512 in hex, or ``checksum_url`` leads to it."""

    url: str
    disk_format: str
    checksum: str = ""
    checksum_url: str = ""


@dataclass
class Download:
    """How far one download is. ``stage``: receive, verify or store."""

    image_id: str
    source: Source
    stage: str = "receive"
    received: int = 0
    whole: int | None = None
    share: float | None = None  # of the stage, 0..1, when it can be known
    verified: Verified | None = None
    error: WebcloudError | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)


class Downloads:
    """At most one download per image."""

    def __init__(self, store: ImageStore, limits: Limits) -> None:
        self.store = store
        self.limits = limits
        self._lock = threading.Lock()
        self._running: dict[str, Download] = {}

    def ensure(self, image_id: str, source: Source) -> Download:
        """The image's download, started or continued if none runs in this process."""
        with self._lock:
            download = self._running.get(image_id)
            if download is None:
                download = self._running[image_id] = Download(image_id, source)
                name = f"download-{image_id}"
                threading.Thread(target=self._run, args=(download,), name=name, daemon=True).start()
            return download

    def forget(self, image_id: str) -> None:
        """Drop the memory of a download that has ended."""
        with self._lock:
            self._running.pop(image_id, None)

    def stopped(self, image_id: str) -> bool:
        """Ask the image's download to stop; True once none runs here."""
        download = self._running.get(image_id)
        if download is None:
            return True
        download.stop.set()
        if not download.ended.is_set():
            return False
        self.forget(image_id)
        return True

    def _run(self, download: Download) -> None:
        try:
            while download.verified is None:
                if not self.store.has(download.image_id):
                    self._receive(download)
                self._keep(download)
        except Stopped:
            log.info("the download of image %s was stopped", download.image_id)
        except WebcloudError as error:
            download.error = error
        except Exception:
            log.exception("the download of image %s failed", download.image_id)
            download.error = Unavailable("The image could not be stored.")
        finally:
            download.ended.set()

    def _keep(self, download: Download) -> None:
        """Verify and keep what is there, unless another process is at it; then wait a moment."""
        image_id = download.image_id
        try:
            with self.store.writing(image_id, create=False):
                if self.store.has(image_id):
                    # Another process has kept its own, or died before it dropped the part.
                    self.store.discard(image_id)
                download.stage, download.share = "verify", 0.0
                verified = self._verify(download)
                download.stage, download.share = "store", None
                self.store.keep(image_id)
                self.store.discard(image_id)
        except UploadGone:
            if not self.store.has(image_id):
                # Another process begins it anew.
                self._pause(download)
                return
            download.stage, download.share = "verify", 0.0
            verified = self._verify(download)
        except Busy:
            self._pause(download)
            return
        download.verified = verified

    @staticmethod
    def _pause(download: Download) -> None:
        if download.stop.wait(1.0):
            raise Stopped

    def _receive(self, download: Download) -> None:
        """Fetch the file; a broken connection is taken up again while bytes keep coming."""

        def progress(done: int, whole: int | None) -> None:
            download.received, download.whole = done, whole
            download.share = done / whole if whole else None

        tries, before = 0, self.store.received(download.image_id)
        while True:
            try:
                fetch(
                    download.source.url,
                    self.store,
                    download.image_id,
                    self.limits,
                    progress=progress,
                    stopped=download.stop.is_set,
                )
                return
            except (Busy, WrongOffset):
                # Another process has the file; whoever ends first is found by `has`.
                self._pause(download)
                if self.store.has(download.image_id):
                    return
            except AddressRefused:
                now = self.store.received(download.image_id)
                tries, before = (0 if now > before else tries + 1), now
                if now == 0 or tries >= MOST_TRIES:
                    raise
                if download.stop.wait(min(2**tries, 15)):
                    raise Stopped from None

    def _verify(self, download: Download) -> Verified:
        def progress(share: float) -> None:
            if download.stop.is_set():
                raise Stopped
            download.share = share

        source = download.source
        verified = self.store.verify(
            download.image_id, source.disk_format, self.limits.size, progress
        )
        wanted = source.checksum
        if source.checksum_url:
            wanted = checksums.look_up(source.checksum_url, source.url, self.limits)
        if wanted and not any(
            hmac.compare_digest(wanted.lower(), actual)
            for actual in (verified.sha256, verified.sha512)
        ):
            raise ImageRefused(
                "checksum_mismatch",
                "The file does not have the checksum that was given for it.",
                next_step="Check the checksum; if it is right, the file was changed on its way.",
            )
        return verified
