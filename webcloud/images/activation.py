"""The moment at which received bytes become an image, or do not."""

from __future__ import annotations

from sqlalchemy.orm import Session

from webcloud.db import now
from webcloud.identity import quotas
from webcloud.images.models import Image
from webcloud.images.place import whole_gib
from webcloud.images.store import Verified
from webcloud.live import publish


def activate(session: Session, image: Image, verified: Verified) -> None:
    """The bytes are in the store for good. Raises QuotaExceeded; repeating changes nothing."""
    if image.status == "active":
        return
    quotas.claim(session, image.project_id, {"image_gb": whole_gib(verified.size)})
    image.status, image.stage, image.fault = "active", "", ""
    image.size = image.received = verified.size
    image.virtual_size = verified.inspection.virtual_size
    image.sha256, image.sha512 = verified.sha256, verified.sha512
    image.container_format = image.container_format or "bare"
    image.updated_at = now()
    publish.changed(session, "image", image.id, image.project_id)


def withdraw(session: Session, image: Image) -> None:
    """Take ``activate`` back: the quota is given back and the image is being imported again."""
    if image.status != "active":
        return
    quotas.release(session, image.project_id, {"image_gb": whole_gib(image.size or 0)})
    image.status = "importing"
    image.size = image.virtual_size = image.sha256 = image.sha512 = None
    image.updated_at = now()
