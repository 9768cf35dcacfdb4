"""Reads of images, scoped to what the caller may see.

A caller sees the images of the project and public ones; an operator sees all.
What may not be seen does not exist: both raise the same NotFound.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from webcloud.errors import BadRequest, Forbidden, NotFound
from webcloud.identity.callers import Caller
from webcloud.images.models import Image
from webcloud.words import say

MOST = 1000
SORT_KEYS = ("created_at", "updated_at", "name", "status", "size", "id", "disk_format")


@dataclass(frozen=True)
class Filters:
    """What to list. ``None`` means any; ``hidden`` is False unless asked for."""

    name: str | None = None
    ids: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    visibility: str | None = None
    owner: str | None = None
    disk_format: str | None = None
    protected: bool | None = None
    hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """Order and place. ``sort`` holds (key, "asc" or "desc"); ``marker`` is an image id."""

    sort: tuple[tuple[str, str], ...] = (("created_at", "desc"),)
    limit: int = MOST
    marker: str | None = None


def get(session: Session, caller: Caller, image_id: str) -> Image:
    """One image that the caller may see, hidden ones included. Raises NotFound."""
    image = session.scalar(_visible(caller).where(Image.id == image_id))
    if image is None:
        raise NotFound(
            say("No image has the id {image_id}.", image_id=image_id[:64]), field="image"
        )
    return image


def get_owned(session: Session, caller: Caller, image_id: str) -> Image:
    """One image that the caller may change. Raises NotFound or, for a public one, Forbidden."""
    image = get(session, caller, image_id)
    if image.project_id != caller.project_id and not caller.is_admin:
        raise Forbidden("The image belongs to another project.")
    return image


def list_images(
    session: Session, caller: Caller, filters: Filters | None = None, page: Page | None = None
) -> list[Image]:
    """The images the caller may see, at most ``page.limit``. Raises BadRequest for the page."""
    filters, page = filters or Filters(), page or Page()
    query = _filtered(_visible(caller), filters)
    for key, direction in (*page.sort, ("id", "asc")):
        if key not in SORT_KEYS or direction not in ("asc", "desc"):
            raise BadRequest(say("Images cannot be sorted by {key!r}.", key=key[:40]), field="sort")
        column = getattr(Image, key)
        query = query.order_by(column.desc() if direction == "desc" else column.asc())
    images = [image for image in session.scalars(query) if _fits(image, filters)]
    if page.marker is not None:
        images = _after(images, page.marker)
    return images[: page.limit]


def public_with_name(session: Session, name: str, *statuses: str) -> Image | None:
    """A public image by its name and one of these statuses, for the program's own use."""
    return session.scalar(
        select(Image)
        .where(
            Image.name == name,
            Image.visibility == "public",
            Image.status.in_(statuses),
            Image.deleted_at.is_(None),
        )
        .limit(1)
    )


def _visible(caller: Caller) -> Select[Image]:
    query = select(Image).where(Image.deleted_at.is_(None))
    if caller.is_admin:
        return query
    return query.where(or_(Image.project_id == caller.project_id, Image.visibility == "public"))


def _filtered(query: Select[Image], filters: Filters) -> Select[Image]:
    query = query.where(Image.hidden.is_(filters.hidden))
    if filters.ids is not None:
        query = query.where(Image.id.in_(filters.ids))
    if filters.statuses is not None:
        query = query.where(Image.status.in_(filters.statuses))
    if filters.protected is not None:
        query = query.where(Image.protected.is_(filters.protected))
    for column, wanted in (
        (Image.name, filters.name),
        (Image.visibility, filters.visibility),
        (Image.project_id, filters.owner),
        (Image.disk_format, filters.disk_format),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return query


def _fits(image: Image, filters: Filters) -> bool:
    """Tags and properties live in one JSON column, which not every database can search."""
    # MariaDB compares names without regard to case; a name here is exact everywhere.
    if filters.name is not None and image.name != filters.name:
        return False
    tags = image.properties.get("tags", [])
    return all(tag in tags for tag in filters.tags) and all(
        image.properties.get(key) == value for key, value in filters.properties
    )


def _after(images: list[Image], marker: str) -> list[Image]:
    for place, image in enumerate(images):
        if image.id == marker:
            return images[place + 1 :]
    raise BadRequest("The marker is not an image of this list.", field="marker")
