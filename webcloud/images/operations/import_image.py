"""How an image is imported by URL: fetched, inspected and stored, then made active.

A thread of the controller does the long work (``downloads``); the step only
looks how far it is.  After a crash the next step starts the thread again and
it goes on from the bytes that are there.
"""

from __future__ import annotations

from webcloud.conductor.operation import Done, Operation, Run, Step, StepFailed, Wait
from webcloud.images import activation, place
from webcloud.images.downloads import Source
from webcloud.images.inspection import Inspection
from webcloud.images.models import Image
from webcloud.images.store import Verified
from webcloud.live import publish
from webcloud.words import mark

LOOK_AGAIN = 0.5
STAGES = {
    "receive": mark("receiving the file"),
    "verify": mark("checking the file"),
    "store": mark("storing the file"),
}


def fetch(run: Run) -> Done | Wait:
    """Receive, verify and store the bytes."""
    image = run.session.get_one(Image, run.subject_id)
    downloads = place.current().downloads
    source = Source(
        url=run.params["url"],
        disk_format=run.params["disk_format"],
        checksum=run.params["checksum"],
        checksum_url=run.params["checksum_url"],
    )
    download = downloads.ensure(image.id, source)
    if download.error is not None:
        raise StepFailed(download.error.code, download.error.full_message)
    if download.ended.is_set() and download.verified is None:
        # It was stopped by an earlier attempt to unwind that did not come to pass.
        downloads.forget(image.id)
    if download.verified is None:
        image.stage = download.stage
        image.received, image.expected_size = download.received, download.whole
        publish.changed(run.session, "image", image.id, image.project_id)
        return Wait(LOOK_AGAIN, STAGES[download.stage], download.share)
    verified = download.verified
    return Done(
        {
            "size": verified.size,
            "sha256": verified.sha256,
            "sha512": verified.sha512,
            "virtual_size": verified.inspection.virtual_size,
        }
    )


def drop(run: Run) -> Done | Wait:
    """Stop the download and remove whatever it has written."""
    here = place.current()
    if not here.downloads.stopped(run.subject_id):
        return Wait(0.2, mark("stopping the download"))
    here.store.delete(run.subject_id)
    return Done()


def activate(run: Run) -> Done | Wait:
    """Make the image usable."""
    image = run.session.get_one(Image, run.subject_id)
    inspection = Inspection(run.params["disk_format"], run.state["virtual_size"])
    verified = Verified(run.state["size"], run.state["sha256"], run.state["sha512"], inspection)
    activation.activate(run.session, image, verified)
    place.current().downloads.forget(image.id)
    return Done()


def withdraw(run: Run) -> Done | Wait:
    """Make the image unusable again."""
    activation.withdraw(run.session, run.session.get_one(Image, run.subject_id))
    return Done()


class ImportImage(Operation):
    """Fetch an image from a web address."""

    kind = "image.import"
    subject_type = "image"
    words = mark("Import image")
    deadline_seconds = 6 * 3600
    steps = (
        Step("fetch", mark("Fetching the image"), fetch, drop),
        Step("activate", mark("Making the image ready"), activate, withdraw),
    )

    @staticmethod
    def failed(run: Run, code: str, message: str) -> None:
        image = run.session.get_one(Image, run.subject_id)
        image.status, image.stage, image.received = "killed", "", 0
        image.fault, image.updated_at = str(message), run.now
        publish.changed(run.session, "image", image.id, image.project_id)
