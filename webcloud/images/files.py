"""Sends the bytes of an active image, to users and to hosts. Ranges are understood."""

from __future__ import annotations

from flask import Response, send_file
from sqlalchemy.orm import Session

from webcloud.errors import NotFound
from webcloud.hosts.models import Host
from webcloud.images import place
from webcloud.images.models import Image
from webcloud.words import say


def open_for_host(session: Session, host: Host, image_id: str) -> Response:
    """The bytes of an active image for a host's cache.

    An image that is being deleted is still sent: an instance that was
    accepted before may need it.  Raises NotFound.
    """
    image = session.get(Image, image_id)
    if image is None or image.status != "active":
        raise NotFound(say("No active image has the id {image_id}.", image_id=image_id[:64]))
    return send(image)


def send(image: Image) -> Response:
    """A response with the bytes; its ETag is the sha256. Raises NotFound."""
    store = place.current().store
    if not store.has(image.id):
        raise NotFound("The image's bytes are missing.", next_step="Tell your operator.")
    answer = send_file(
        store.path(image.id),
        mimetype="application/octet-stream",
        etag=image.sha256 or False,
        conditional=True,
        max_age=None,
    )
    answer.headers["Content-Disposition"] = "attachment"
    return answer
