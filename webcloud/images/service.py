"""What people can do with images. Starts operations; never commits.

Uploads, which last longer than a transaction may, are in ``uploads``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from webcloud.conductor import starting
from webcloud.db import new_id, now
from webcloud.errors import BadRequest, Conflict, Forbidden
from webcloud.identity import quotas
from webcloud.identity.audit_trail import record_change
from webcloud.identity.callers import Caller
from webcloud.images import addresses
from webcloud.images.forms import Changes, NewImage, NewImport
from webcloud.images.models import Image
from webcloud.images.operations.delete_image import DeleteImage
from webcloud.images.operations.import_image import ImportImage
from webcloud.live import publish
from webcloud.words import say, word


def create(session: Session, caller: Caller, form: NewImage) -> Image:
    """A queued image of the caller's project. Raises QuotaExceeded, Forbidden, Conflict."""
    _check_visibility(caller, form.visibility)
    quotas.claim(session, caller.project_id, {"images": 1})
    if form.id is not None and session.get(Image, form.id) is not None:
        raise Conflict("This image id is taken.", field="id", next_step="Leave the id out.")
    moment = now()
    image = Image(
        id=form.id or new_id(),
        name=form.name or "",
        project_id=caller.project_id,
        visibility=form.visibility,
        status="queued",
        disk_format=form.disk_format,
        container_format=form.container_format,
        min_disk_gb=form.min_disk,
        min_memory_mb=form.min_ram,
        protected=form.protected,
        hidden=form.os_hidden,
        properties={**form.properties, "tags": sorted(set(form.tags))},
        created_at=moment,
        updated_at=moment,
    )
    session.add(image)
    session.flush()
    record_change(session, caller, "image.create", image)
    return image


def update(session: Session, caller: Caller, image: Image, changes: Changes) -> None:
    """Apply the members that are set. Raises Forbidden, Conflict."""
    given = changes.model_fields_set
    if "visibility" in given and changes.visibility != image.visibility:
        _check_visibility(caller, changes.visibility)
        image.visibility = changes.visibility
    for member in ("disk_format", "container_format"):
        value = getattr(changes, member)
        if member in given and value != getattr(image, member):
            if image.status != "queued":
                raise Forbidden(
                    say(
                        "Attribute '{member}' can only be replaced for a queued image.",
                        member=member,
                    ),
                    field=member,
                )
            setattr(image, member, value)
    if "name" in given:
        image.name = changes.name or ""
    if "min_disk" in given:
        image.min_disk_gb = changes.min_disk
    if "min_ram" in given:
        image.min_memory_mb = changes.min_ram
    if "protected" in given:
        image.protected = changes.protected
    if "os_hidden" in given:
        image.hidden = changes.os_hidden
    properties = dict(image.properties)
    if "properties" in given:
        properties = {**changes.properties, "tags": properties.get("tags", [])}
    if "tags" in given:
        properties["tags"] = sorted(set(changes.tags))
    image.properties = properties
    image.updated_at = now()
    record_change(session, caller, "image.update", image, changed=sorted(given))


def start_import(session: Session, caller: Caller, image: Image, form: NewImport) -> str:
    """Have the image's bytes fetched; returns the operation's id.

    Raises BadRequest for an address that cannot be meant, Conflict unless the
    image is queued.
    """
    if image.disk_format is None:
        raise BadRequest("The image has no disk format yet.", field="disk_format")
    addresses.check_form(form.url)
    if form.checksum_url:
        addresses.check_form(form.checksum_url)
    _take(session, image, ("queued",), "importing")
    image.source_url = form.url
    params = {
        "url": form.url,
        "disk_format": image.disk_format,
        "checksum": form.checksum.lower(),
        "checksum_url": form.checksum_url,
    }
    operation = starting.start(
        session, ImportImage, subject_id=image.id, params=params, **_origin(caller, image)
    )
    record_change(session, caller, "image.import", image, operation.id, url=form.url)
    return operation.id


def delete(session: Session, caller: Caller, image: Image) -> str:
    """Gone for everybody at once; its bytes follow. Returns the operation's id.

    It wins over an upload or import that is under way.  Raises Forbidden for
    a protected image.
    """
    if image.protected:
        raise Forbidden(
            "The image is protected and cannot be deleted.",
            next_step="Take the protection away first: openstack image set --unprotected.",
        )
    image.deleted_at = image.updated_at = now()
    operation_id = starting.supersede(
        session, DeleteImage, subject_id=image.id, params={}, **_origin(caller, image)
    )
    record_change(session, caller, "image.delete", image, operation_id)
    return operation_id


def begin_upload(session: Session, image: Image, expected_size: int | None) -> None:
    """Note that bytes are about to arrive. Raises BadRequest, Conflict (an active image)."""
    if image.disk_format is None:
        raise BadRequest(
            "The image has no disk format yet.",
            field="disk_format",
            next_step="Set disk_format to raw, qcow2 or iso first.",
        )
    _take(session, image, ("queued", "saving"), "saving")
    image.expected_size = expected_size
    image.stage, image.fault = "receive", ""


def give_back(session: Session, image: Image, fault: str) -> None:
    """An upload ended without an image: it may be tried again."""
    if image.status == "saving":
        image.status, image.stage, image.received, image.fault = "queued", "", 0, fault
        image.updated_at = now()
        publish.changed(session, "image", image.id, image.project_id)


def _take(session: Session, image: Image, allowed: tuple[str, ...], status: str) -> None:
    """Move the status by compare-and-set, so that of two requests one is refused."""
    session.flush()
    result = session.execute(
        sql_update(Image)
        .where(Image.id == image.id, Image.status.in_(allowed), Image.deleted_at.is_(None))
        .values(status=status, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    session.refresh(image)
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(
            say(
                "The image is {status}; its bytes can only be given to a queued image.",
                status=word(image.status),
            ),
            next_step="Create another image for other bytes.",
        )
    publish.changed(session, "image", image.id, image.project_id)


def _check_visibility(caller: Caller, visibility: str) -> None:
    if visibility == "public" and not caller.is_admin:
        raise Forbidden("Only an operator may make images public.", field="visibility")


def _origin(caller: Caller, image: Image) -> dict[str, Any]:
    return {
        "subject_name": image.name,
        "project_id": image.project_id,
        "user_id": caller.user_id or None,
        "request_id": caller.request_id,
    }
