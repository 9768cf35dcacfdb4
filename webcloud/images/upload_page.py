"""Uploading in the browser: begin, chunks at an offset, finish, and how far it is.

An upload that was cut goes on where it ended, also after the page was
reloaded: the browser asks how many bytes are there and sends the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from webcloud.bodies import unbounded
from webcloud.db import current
from webcloud.errors import BadRequest, TooLarge
from webcloud.identity.callers import current_caller
from webcloud.images import place, queries, service, uploads
from webcloud.images.forms import DiskFormat, Name, NewImage
from webcloud.web import database, json_body, parse, require
from webcloud.words import say

blueprint = Blueprint("images_uploads", __name__, url_prefix="/images/uploads")

MAX_CHUNK = 64 * 1024 * 1024
PIECE = 256 * 1024


class BeginForm(BaseModel):
    """``size`` is in bytes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name = Field(min_length=1)
    disk_format: DiskFormat
    size: int = Field(ge=1)


@blueprint.post("")
@require("images:write", transaction=False)
def begin() -> tuple[dict[str, Any], int]:
    """``{"id"}`` of a new image that waits for its bytes."""
    form = parse(BeginForm, json_body())
    uploads.check_size(form.size)
    caller = current_caller()
    with database().transaction() as session:
        image = service.create(
            session,
            caller,
            NewImage(name=form.name, disk_format=form.disk_format, container_format="bare"),
        )
        service.begin_upload(session, image, form.size)
        image_id = image.id
    return {"id": image_id, "received": 0}, 201


@blueprint.get("/<image_id>")
@require("images:write")
def progress(image_id: str) -> dict[str, Any]:
    """``{"received", "expected", "status", "stage", "fault"}``; bytes are counted."""
    image = queries.get_owned(current(), current_caller(), image_id)
    under_way = image.status == "saving"
    return {
        "received": place.current().store.received(image.id) if under_way else image.received,
        "expected": image.expected_size,
        "status": image.status,
        "stage": image.stage,
        "fault": image.fault,
    }


@blueprint.put("/<image_id>")
@require("images:write", transaction=False)
def chunk(image_id: str) -> dict[str, Any]:
    """Add the body at ``?offset=``; ``{"received"}`` is the new end.

    409 with the code wrong_offset when other bytes are there than the
    browser thinks; it asks for the progress and goes on from there.
    """
    unbounded()
    offset = request.args.get("offset", type=int)
    if offset is None or offset < 0:
        raise BadRequest("The offset must be a number of bytes.", field="offset")
    if (request.content_length or 0) > MAX_CHUNK:
        raise TooLarge(say("A chunk is at most {most} bytes.", most=MAX_CHUNK))
    end = uploads.append(database(), current_caller(), image_id, offset, _pieces())
    return {"received": end}


@blueprint.post("/<image_id>/finish")
@require("images:write", transaction=False)
def finish(image_id: str) -> dict[str, Any]:
    """All bytes were sent: verify and store them."""
    uploads.finish(database(), current_caller(), image_id)
    return {"status": "active"}


def _pieces() -> Iterator[bytes]:
    while piece := request.stream.read(PIECE):
        yield piece
