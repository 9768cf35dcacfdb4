"""The pages of aggregates and the zones they make, for operators."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import BadRequest, WebcloudError
from webcloud.hosts import aggregates, queries, zones
from webcloud.identity import csrf
from webcloud.identity.callers import current_caller
from webcloud.instances.fields import METADATA_KEY, Name
from webcloud.web import parse, require
from webcloud.words import say

blueprint = Blueprint("aggregates_pages", __name__, url_prefix="/aggregates")

Text = Annotated[str, Field(max_length=255)]


class AggregateForm(BaseModel):
    """A new aggregate; ``zone`` "" makes no zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    zone: Text = ""


class PropertyForm(BaseModel):
    """A property to set; ``value`` "" removes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Text
    value: Text = ""


@blueprint.get("")
@require("hosts:read")
def index() -> str:
    """Every aggregate with its hosts and properties, and the zones there are."""
    return _page(None, {})


@blueprint.post("")
@require("hosts:admin")
def create() -> BaseResponse:
    """Add one; a wrong field shows the page again."""
    values = csrf.fields()
    try:
        form = parse(AggregateForm, values)
        aggregates.create(current(), current_caller(), form.name, form.zone or None)
    except WebcloudError as error:
        return _again(error, values)
    return redirect(url_for(".index"), 303)


@blueprint.post("/<aggregate_id>/hosts")
@require("hosts:admin")
def change_hosts(aggregate_id: str) -> BaseResponse:
    """Add the host ``add``, or take out the host ``remove``."""
    session, caller = current(), current_caller()
    aggregate = aggregates.get(session, aggregate_id)
    try:
        if request.form.get("remove"):
            aggregates.remove_host(session, caller, aggregate, request.form["remove"])
        else:
            aggregates.add_host(session, caller, aggregate, request.form.get("add", ""))
    except WebcloudError as error:
        return _again(error, {})
    return redirect(url_for(".index"), 303)


@blueprint.post("/<aggregate_id>/properties")
@require("hosts:admin")
def set_property(aggregate_id: str) -> BaseResponse:
    """Set or remove one property."""
    aggregate = aggregates.get(current(), aggregate_id)
    try:
        form = parse(PropertyForm, csrf.fields())
        if not METADATA_KEY.fullmatch(form.key):
            raise BadRequest(
                say(
                    "a metadata key has 1 to 255 letters, digits, spaces and the characters - _ : ."
                ),
                field="key",
            )
        changes = {form.key: form.value or None}
        aggregates.set_properties(current(), current_caller(), aggregate, changes)
    except WebcloudError as error:
        return _again(error, {})
    return redirect(url_for(".index"), 303)


@blueprint.post("/<aggregate_id>/delete")
@require("hosts:admin")
def delete(aggregate_id: str) -> BaseResponse:
    """Take one away that has no hosts."""
    aggregate = aggregates.get(current(), aggregate_id)
    try:
        aggregates.delete(current(), current_caller(), aggregate)
    except WebcloudError as error:
        return _again(error, {})
    return redirect(url_for(".index"), 303)


def _again(error: WebcloudError, values: dict[str, str]) -> BaseResponse:
    current().rollback()
    return make_response(_page(error, values), error.status)


def _page(error: WebcloudError | None, values: dict[str, str]) -> str:
    session = current()
    found = aggregates.list_aggregates(session)
    return render_template(
        "aggregates/index.html",
        aggregates=found,
        members=aggregates.host_names(session, [each.id for each in found]),
        hosts=[host.name for host in queries.list_hosts(session)],
        zones=zones.list_zones(session),
        zone_key=zones.KEY,
        error=error,
        values=values,
    )
