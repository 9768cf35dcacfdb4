"""The pages of flavors, for operators: list, add, delete."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, make_response, redirect, render_template, url_for
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import WebcloudError
from webcloud.identity import csrf
from webcloud.identity.callers import current_caller
from webcloud.instances import flavors
from webcloud.instances.fields import Description, Name
from webcloud.web import parse, require

blueprint = Blueprint("flavors_pages", __name__, url_prefix="/flavors")


class FlavorForm(BaseModel):
    """A new size: memory in MiB, disk in GiB."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    vcpus: Annotated[int, Field(ge=1, le=512)]
    memory_mb: Annotated[int, Field(ge=32, le=16_777_216)]
    disk_gb: Annotated[int, Field(ge=1, le=1_048_576)]
    description: Description = ""


@blueprint.get("")
@require("flavors:admin")
def index() -> str:
    """Every flavor, smallest first."""
    return _page(None, {})


@blueprint.post("")
@require("flavors:admin")
def create() -> BaseResponse:
    """Add one; a wrong field shows the form again."""
    values = csrf.fields()
    try:
        form = parse(FlavorForm, values)
        flavors.create_flavor(
            current(),
            current_caller(),
            name=form.name,
            vcpus=form.vcpus,
            memory_mb=form.memory_mb,
            disk_gb=form.disk_gb,
            description=form.description,
        )
    except WebcloudError as error:
        current().rollback()
        return make_response(_page(error, values), error.status)
    return redirect(url_for(".index"), 303)


@blueprint.post("/<flavor_id>/delete")
@require("flavors:admin")
def delete(flavor_id: str) -> BaseResponse:
    """Take one off the list; instances keep their size."""
    flavors.delete_flavor(current(), current_caller(), flavor_id)
    return redirect(url_for(".index"), 303)


def _page(error: WebcloudError | None, values: dict[str, str]) -> str:
    return render_template(
        "flavors/index.html",
        flavors=flavors.list_flavors(current(), current_caller()),
        error=error,
        values=values,
    )
