"""Keeps stores and rows together: drops files and hosts' copies that no image owns.

Uploads that nobody continues are given up.  A host that was away while an image
was deleted is told again here; it keeps a copy that a disk of its rests on.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from agents.wire.commands import EnsureImageAbsent
from webcloud.db import Database, locked, now
from webcloud.errors import Busy
from webcloud.hosts import commands, presence
from webcloud.hosts import queries as hosts
from webcloud.images import place, service
from webcloud.images.models import Image

# An upload that nobody has continued for this long is given up.
ABANDONED = timedelta(hours=24)
WITH_FILES = ("active", "saving", "importing", "queued")


def sweep(database: Database) -> None:
    """Remove files of images that are gone or refused, and abandoned uploads."""
    store = place.current().store
    # Files first: an image that appears meanwhile is not in this list.
    stored, unfinished = store.image_ids(), store.unfinished()
    with database.reading() as session:
        rows = session.execute(select(Image.id, Image.status).where(Image.id.in_(stored)))
        owners = {row.id: row.status for row in rows}
        abandoned = list(
            session.scalars(
                select(Image.id).where(
                    Image.status == "saving", Image.updated_at < now() - ABANDONED
                )
            )
        )
    for image_id in stored:
        if place.is_image_id(image_id) and owners.get(image_id) not in WITH_FILES:
            store.delete(image_id)
    for image_id in unfinished:
        if owners.get(image_id) == "active":
            # Its upload died between two lines, or came a moment too late.
            store.discard(image_id)
    for image_id in abandoned:
        _give_up(database, image_id)


def drop_copies(database: Database) -> None:
    """Have every host that is there drop the images that were deleted."""
    with database.reading() as session:
        copies = {
            host.id: set(host.cached_images)
            for host in hosts.list_hosts(session)
            if presence.is_alive(host) and host.cached_images
        }
        cached = set().union(*copies.values())
        owned = select(Image.id).where(Image.id.in_(cached), Image.status != "deleted")
        unwanted = cached - set(session.scalars(owned))
    if not unwanted:
        return
    with database.transaction() as session:
        for host_id, images in copies.items():
            for image_id in sorted(images & unwanted):
                commands.tell(session, host_id, EnsureImageAbsent(image_id))


def _give_up(database: Database, image_id: str) -> None:
    store = place.current().store
    try:
        with store.writing(image_id), database.transaction() as session:
            image = locked(session, Image, image_id)
            if image.status == "saving":
                service.give_back(session, image, "The upload was not continued for a day.")
                store.delete(image_id)
    except Busy:
        # Somebody is writing at this moment, slow as it may be.
        return
