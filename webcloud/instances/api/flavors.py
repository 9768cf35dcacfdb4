"""Flavors and their extra specs."""

from __future__ import annotations

from typing import Annotated

from flask import Response, jsonify, request
from pydantic import BeforeValidator, Field

from webcloud.db import current
from webcloud.errors import BadRequest
from webcloud.identity.callers import current_caller
from webcloud.instances import flavors, serialize
from webcloud.instances.api.dialect import after_marker, bp, empty, limit, read, truth
from webcloud.instances.api.views import plain
from webcloud.instances.fields import Description, Metadata, Name, Reference
from webcloud.instances.forms import Closed, NotOffered, whole
from webcloud.instances.models import Flavor
from webcloud.openapi import documented
from webcloud.web import require

QUERY = ("is_public", "minRam", "minDisk", "limit", "marker")
SPECS = "/flavors/<flavor_id>/os-extra_specs"
Whole = Annotated[int, BeforeValidator(whole)]


class NewFlavorForm(Closed):
    """The ``flavor`` object of POST /flavors. Memory in MiB, disk in GiB."""

    name: Name
    vcpus: Annotated[Whole, Field(ge=1, le=512)]
    ram: Annotated[Whole, Field(ge=64, le=16 * 1024 * 1024)]
    disk: Annotated[Whole, Field(ge=1, le=1024 * 1024)]
    id: Reference | None = None
    is_public: bool = Field(default=True, alias="os-flavor-access:is_public")
    description: Description | None = None
    swap: NotOffered = 0
    ephemeral: NotOffered = Field(default=0, alias="OS-FLV-EXT-DATA:ephemeral")
    rxtx_factor: Annotated[float, Field(ge=1, le=1)] = 1.0


class NewFlavor(Closed):
    """The body of POST /flavors."""

    flavor: NewFlavorForm


class DescriptionForm(Closed):
    """The ``flavor`` object of PUT /flavors/<id>."""

    description: Description | None


class DescribeFlavor(Closed):
    """The body of PUT /flavors/<id>."""

    flavor: DescriptionForm


class ExtraSpecs(Closed):
    """The body of POST /flavors/<id>/os-extra_specs."""

    extra_specs: Annotated[Metadata, Field(min_length=1)]


@bp.get("/flavors")
@require("flavors:read")
@documented("List flavors: ids and names.", query=QUERY)
def list_flavors() -> Response:
    view = plain()
    return jsonify({"flavors": [serialize.flavor_brief(view, row) for row in _found()]})


@bp.get("/flavors/detail")
@require("flavors:read")
@documented("List flavors in full.", query=QUERY)
def list_flavors_in_full() -> Response:
    view = plain()
    return jsonify({"flavors": [serialize.flavor(view, row) for row in _found()]})


@bp.get("/flavors/<flavor_id>")
@require("flavors:read")
@documented("Show a flavor.")
def show_flavor(flavor_id: str) -> Response:
    return jsonify({"flavor": serialize.flavor(plain(), _flavor(flavor_id))})


@bp.post("/flavors")
@require("flavors:admin")
@documented("Create a flavor.", body=NewFlavor)
def create_flavor() -> Response:
    form = read(NewFlavor).flavor
    row = flavors.create_flavor(
        current(),
        current_caller(),
        name=form.name,
        vcpus=form.vcpus,
        memory_mb=form.ram,
        disk_gb=form.disk,
        flavor_id=None if form.id == "auto" else form.id,
        is_public=form.is_public,
        description=form.description or "",
    )
    return jsonify({"flavor": serialize.flavor(plain(), row)})


@bp.put("/flavors/<flavor_id>")
@require("flavors:admin")
@documented("Change a flavor's description.", body=DescribeFlavor)
def describe_flavor(flavor_id: str) -> Response:
    text = read(DescribeFlavor).flavor.description or ""
    row = flavors.describe_flavor(current(), current_caller(), flavor_id, text)
    return jsonify({"flavor": serialize.flavor(plain(), row)})


@bp.delete("/flavors/<flavor_id>")
@require("flavors:admin")
@documented("Delete a flavor; instances keep their size.", status=202)
def delete_flavor(flavor_id: str) -> Response:
    flavors.delete_flavor(current(), current_caller(), flavor_id)
    return empty(202)


@bp.get(SPECS)
@require("flavors:read")
@documented("List a flavor's extra specs.")
def list_extra_specs(flavor_id: str) -> Response:
    return jsonify({"extra_specs": _flavor(flavor_id).extra_specs})


@bp.get(f"{SPECS}/<key>")
@require("flavors:read")
@documented("Show one extra spec.")
def show_extra_spec(flavor_id: str, key: str) -> Response:
    row = _flavor(flavor_id)
    return jsonify({key: flavors.extra_spec(row, key)})


@bp.post(SPECS)
@require("flavors:admin")
@documented("Add or replace extra specs.", body=ExtraSpecs)
def set_extra_specs(flavor_id: str) -> Response:
    specs = read(ExtraSpecs).extra_specs
    given = flavors.set_extra_specs(current(), current_caller(), flavor_id, specs)
    return jsonify({"extra_specs": given})


@bp.delete(f"{SPECS}/<key>")
@require("flavors:admin")
@documented("Remove one extra spec.")
def delete_extra_spec(flavor_id: str, key: str) -> Response:
    flavors.delete_extra_spec(current(), current_caller(), flavor_id, key)
    return empty(200)


def _flavor(flavor_id: str) -> Flavor:
    return flavors.get_flavor(current(), current_caller(), flavor_id)


def _found() -> list[Flavor]:
    """The page of flavors that the query asks for."""
    public = request.args.get("is_public")
    is_public = None if public in (None, "None", "none") else truth("is_public", public)
    caller = current_caller()
    if public is None and caller.is_admin:
        is_public = True
    rows = flavors.list_flavors(current(), caller, is_public=is_public)
    rows = [row for row in rows if row.memory_mb >= _least("minRam")]
    rows = [row for row in rows if row.disk_gb >= _least("minDisk")]
    return after_marker(rows, lambda row: row.id)[: limit()]


def _least(name: str) -> int:
    text = request.args.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"Query parameter {name!r} must be a whole number.", field=name)
    return int(text)
