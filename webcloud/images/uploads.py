"""Uploads: receive, verify, store, each shown as a stage.

An upload lasts longer than a database transaction may, so these functions
take the database and open short ones.  Bytes come in chunks at an offset that
is checked: an interrupted upload goes on where it ended.  An upload that ends
badly leaves a queued image without bytes, which can be uploaded again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy.orm import Session

from webcloud.db import Database, locked, now
from webcloud.errors import Busy, Conflict, TooLarge, WebcloudError
from webcloud.identity.callers import Caller
from webcloud.images import activation, place, queries, service
from webcloud.images.models import Image
from webcloud.images.store import UploadGone, Verified, WrongOffset
from webcloud.live import publish
from webcloud.words import say, word


def whole(
    database: Database,
    caller: Caller,
    image_id: str,
    chunks: Iterable[bytes],
    expected_size: int | None,
) -> None:
    """Take all bytes in one go, from the first on, and make the image active.

    Raises NotFound, Forbidden, BadRequest (ImageRefused), Conflict, TooLarge,
    QuotaExceeded, StoreFull; only an active image stays what it was.
    """
    begin(database, caller, image_id, expected_size, afresh=True)
    try:
        append(database, caller, image_id, 0, chunks)
    except (Busy, WrongOffset):
        # The bytes that are there belong to another upload under way.
        raise
    except Exception:
        # Somebody else may have gone on with it by now; then it is theirs.
        with suppress(Busy, UploadGone), place.current().store.writing(image_id, create=False):
            _give_back(database, image_id, "The upload was interrupted.")
        raise
    finish(database, caller, image_id)


def check_size(expected_size: int | None) -> None:
    """Raises TooLarge for more bytes than may be stored; None is unknown and passes."""
    limit = place.current().limit
    if expected_size is not None and expected_size > limit:
        raise TooLarge(
            say(
                "The image is larger than {limit} bytes, the most that may be stored.", limit=limit
            ),
            next_step="Shrink it (qemu-img convert -c), or have image_max_gb raised.",
        )


def begin(
    database: Database,
    caller: Caller,
    image_id: str,
    expected_size: int | None,
    *,
    afresh: bool = False,
) -> int:
    """Say that bytes will come; returns how many are there already (0 with ``afresh``)."""
    check_size(expected_size)
    here = place.current()
    with database.reading() as session:
        queries.get_owned(session, caller, image_id)
    # The lock comes first: who cannot have it must not touch the other's upload.
    with here.store.writing(image_id):
        with database.transaction() as session:
            image = queries.get_owned(session, caller, image_id)
            service.begin_upload(session, image, expected_size)
        if afresh:
            here.store.discard(image_id)
    return here.store.received(image_id)


def append(
    database: Database, caller: Caller, image_id: str, offset: int, chunks: Iterable[bytes]
) -> int:
    """Add chunks at ``offset``; returns the new end. Raises WrongOffset, Conflict, TooLarge."""
    here = place.current()
    with database.reading() as session:
        image = _saving(session, caller, image_id)
        expected = image.expected_size or 0
    end = here.store.append(
        image_id, offset, chunks, min(here.limit, expected or here.limit), expected
    )
    with database.transaction() as session:
        found = session.get(Image, image_id)
        if found is None or found.deleted_at is not None:
            here.store.discard(image_id)
            raise UploadGone("The image was deleted while it was uploaded.")
        found.received = end
        publish.changed(session, "image", image_id, found.project_id)
    return end


def finish(database: Database, caller: Caller, image_id: str) -> None:
    """All bytes are there: verify and store them. Raises as ``whole`` does, and Busy.

    What is refused is dropped, and the image is queued again with the reason
    as its fault.
    """
    here = place.current()
    with database.reading() as session:
        _saving(session, caller, image_id)
    # What was verified is what is kept: nobody writes or finishes it meanwhile.
    with here.store.writing(image_id, create=False):
        with database.reading() as session:
            image = _saving(session, caller, image_id)
            declared, expected = image.disk_format or "", image.expected_size
        received = here.store.received(image_id)
        if expected is not None and received < expected:
            raise WrongOffset(received)
        try:
            _stage(database, image_id, "verify")
            verified = here.store.verify(image_id, declared, here.limit)
            _stage(database, image_id, "store")
            _keep(database, image_id, verified)
        except WebcloudError as error:
            _give_back(database, image_id, str(error.full_message))
            raise
        here.store.discard(image_id)


def _saving(session: Session, caller: Caller, image_id: str) -> Image:
    """The caller's image that is being uploaded. Raises Conflict for any other."""
    image = queries.get_owned(session, caller, image_id)
    if image.status != "saving":
        raise Conflict(
            say("No upload of this image is under way: it is {status}.", status=word(image.status))
        )
    return image


def _keep(database: Database, image_id: str, verified: Verified) -> None:
    """File first, row second: a crash between leaves a file that the sweep takes away."""
    store = place.current().store
    store.keep(image_id)
    with database.transaction() as session:
        image = locked(session, Image, image_id)
        if image.deleted_at is not None or image.status != "saving":
            store.delete(image_id)
            raise UploadGone("The image was deleted while it was uploaded.")
        activation.activate(session, image, verified)


def _stage(database: Database, image_id: str, stage: str) -> None:
    with database.transaction() as session:
        image = session.get_one(Image, image_id)
        image.stage, image.updated_at = stage, now()
        publish.changed(session, "image", image_id, image.project_id)


def _give_back(database: Database, image_id: str, fault: str) -> None:
    """For whoever holds the part file."""
    with database.transaction() as session:
        image = locked(session, Image, image_id)
        if image.status == "saving":
            place.current().store.delete(image_id)
            service.give_back(session, image, fault)
