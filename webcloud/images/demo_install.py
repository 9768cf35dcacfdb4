"""Puts the demo image into the store, as the public image called ``demo``."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from webcloud.db import Database
from webcloud.errors import Busy
from webcloud.identity.callers import Caller
from webcloud.images import demo, place, queries, service, uploads
from webcloud.images.forms import NewImage
from webcloud.words import say

NAME = "demo"
PROPERTIES = {"os_distro": "webcloud-demo", "os_admin_user": "root"}


def install(
    database: Database, caller: Caller, progress: Callable[[str], None] = lambda words: None
) -> str:
    """The id of the public demo image, built and stored first when there is none.

    One whose making was cut off, by Ctrl-C or a kill, is made ready, so that
    there are never two of the name.  ``caller`` must be an operator within the project that
    is to own it.  Raises Unavailable naming the package to install, Busy while
    another program makes it.
    """
    present = _present(database)
    if present is not None:
        return present
    with _alone():
        return _present(database) or _make(database, caller, progress)


def _present(database: Database) -> str | None:
    with database.reading() as session:
        found = queries.public_with_name(session, NAME, "active")
    return None if found is None else found.id


def _make(database: Database, caller: Caller, progress: Callable[[str], None]) -> str:
    store = place.current().store
    with database.transaction() as session:
        image_id = _unfinished(session) or service.create(session, caller, _form()).id
    try:
        uploads.begin(database, caller, image_id, None, afresh=True)
        demo.build(store.part(image_id), progress)
        uploads.finish(database, caller, image_id)
    except Exception:
        with database.transaction() as session:
            image = queries.get(session, caller, image_id)
            if image.status != "active":
                service.delete(session, caller, image)
        raise
    return image_id


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else makes it meanwhile: an unfinished one is nobody's."""
    root = place.current().store.root
    root.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(root.with_name("demo-image.lock"), flags, 0o640)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                say("The demo image is being made already."),
                next_step=say("Wait until it is there."),
            ) from error
        yield
    finally:
        os.close(file)


def _form() -> NewImage:
    return NewImage(
        name=NAME,
        disk_format="raw",
        container_format="bare",
        visibility="public",
        min_ram=96,
        properties=PROPERTIES,
    )


def _unfinished(session: Session) -> str | None:
    image = queries.public_with_name(session, NAME, "queued", "saving")
    ours = image is not None and PROPERTIES.items() <= image.properties.items()
    return image.id if image is not None and ours else None
