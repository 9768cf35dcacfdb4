"""The pages of images: the list, adding one (upload, address, catalogue), deleting.

Uploading itself is in ``upload_page``; what is imported goes through the same
service as the API's imports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import BadRequest, WebcloudError
from webcloud.frontend import csv_files
from webcloud.identity import csrf
from webcloud.identity.callers import Caller, current_caller
from webcloud.images import catalogue, place, queries, service
from webcloud.images.forms import NewImage, NewImport
from webcloud.images.models import Image
from webcloud.web import parse, require
from webcloud.words import mark

blueprint = Blueprint("images_pages", __name__, url_prefix="/images")


@dataclass(frozen=True)
class Look:
    """How an image's status is shown: words, colour and icon, never colour alone."""

    words: str
    colour: str
    icon: str


LOOKS = {
    "queued": Look(mark("Waiting for its bytes"), "secondary", "clock"),
    "saving": Look(mark("Uploading"), "blue", "loader"),
    "importing": Look(mark("Importing"), "blue", "loader"),
    "active": Look(mark("Ready"), "green", "circle-check"),
    "killed": Look(mark("Error"), "red", "alert-triangle"),
    "deleted": Look(mark("Deleted"), "secondary", "trash"),
}
STAGES = {
    "receive": mark("Receiving"),
    "verify": mark("Checking format and checksum"),
    "store": mark("Storing"),
}


@dataclass(frozen=True)
class ImageView:
    """One image as the list shows it; ``progress`` is 0 to 1 while bytes arrive."""

    image: Image
    look: Look
    stage_words: str
    progress: float | None
    mine: bool


class ImportForm(BaseModel):
    """An import by address, as the browser sends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=255)
    url: str = Field(min_length=1, max_length=2000)
    disk_format: Literal["raw", "qcow2", "iso"]
    checksum: str = ""


@blueprint.get("")
@require("images:read")
def index() -> str:
    """The images that the project may use."""
    caller = current_caller()
    views = [_view(image, caller) for image in queries.list_images(current(), caller)]
    template = "_list.html" if "HX-Request" in request.headers else "index.html"
    return render_template(f"images/{template}", views=views)


@blueprint.get("/list.csv")
@require("images:read")
def index_as_csv() -> Response:
    """The images that the project may use, as a file."""
    heads = ("id", "name", "status", "disk_format", "size", "visibility", "created_at")
    return csv_files.answer(
        "images.csv",
        heads,
        (
            (it.id, it.name, it.status, it.disk_format, it.size, it.visibility, it.created_at)
            for it in queries.list_images(current(), current_caller())
        ),
    )


@blueprint.get("/new")
@require("images:write")
def new() -> str:
    """Three ways to add an image, on one screen."""
    return _new_page(None, {})


@blueprint.post("/import")
@require("images:write")
def import_by_address() -> BaseResponse:
    """Have webcloud fetch an image; the list then shows how far it is."""
    values = csrf.fields()
    try:
        form = parse(ImportForm, values)
        _import(
            current(),
            current_caller(),
            NewImage(name=form.name, disk_format=form.disk_format, container_format="bare"),
            NewImport(url=form.url.strip(), checksum=_checksum(form.checksum)),
        )
    except WebcloudError as error:
        current().rollback()
        return make_response(_new_page(error, values), error.status)
    return redirect(url_for(".index"), 303)


@blueprint.post("/catalogue/<key>")
@require("images:write")
def import_from_catalogue(key: str) -> BaseResponse:
    """Import a well-known image, checked against its publisher's checksums."""
    entry = catalogue.get(key)
    image = NewImage(
        name=entry.name,
        disk_format="qcow2" if entry.disk_format == "qcow2" else "raw",
        container_format="bare",
        min_disk=entry.min_disk,
        min_ram=entry.min_memory,
        properties={"os_admin_user": entry.user, "os_distro": entry.key.split("-")[0]},
    )
    source = NewImport(url=entry.url, checksum_url=entry.checksum_url)
    try:
        _import(current(), current_caller(), image, source)
    except WebcloudError as error:
        current().rollback()
        return make_response(_new_page(error, {}), error.status)
    return redirect(url_for(".index"), 303)


@blueprint.post("/<image_id>/delete")
@require("images:write")
def delete(image_id: str) -> BaseResponse:
    """Gone at once for everybody; the instances made from it keep running."""
    image = queries.get_owned(current(), current_caller(), image_id)
    service.delete(current(), current_caller(), image)
    return redirect(url_for(".index"), 303)


def _import(session: Session, caller: Caller, image: NewImage, source: NewImport) -> None:
    made = service.create(session, caller, image)
    service.start_import(session, caller, made, source)


def _checksum(text: str) -> str:
    """The checksum in lower case; raises BadRequest for what cannot be one."""
    digits = text.strip().lower()
    if digits and (len(digits) not in (64, 128) or set(digits) - set("0123456789abcdef")):
        raise BadRequest(
            gettext("A checksum is a SHA-256 or SHA-512 in hexadecimal digits."), field="checksum"
        )
    return digits


def _new_page(error: WebcloudError | None, values: dict[str, str]) -> str:
    return render_template(
        "images/new.html",
        entries=catalogue.ENTRIES,
        error=error,
        values=values,
        limit=place.current().limit,
    )


def _view(image: Image, caller: Caller) -> ImageView:
    under_way = image.status in ("saving", "importing")
    progress = None
    if under_way and image.expected_size and image.stage == "receive":
        progress = min(1.0, image.received / image.expected_size)
    return ImageView(
        image=image,
        look=LOOKS.get(image.status, LOOKS["queued"]),
        stage_words=STAGES.get(image.stage, "") if under_way else "",
        progress=progress,
        mine=image.project_id == caller.project_id or caller.is_admin,
    )
