"""The pages of server groups: list with members, create, delete."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Blueprint, make_response, redirect, render_template, url_for
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import WebcloudError
from webcloud.identity import csrf
from webcloud.identity.callers import current_caller
from webcloud.instances import server_groups
from webcloud.instances.fields import Name
from webcloud.web import parse, require
from webcloud.words import mark

blueprint = Blueprint("groups_pages", __name__, url_prefix="/server-groups")

POLICIES = (
    ("anti-affinity", mark("Never on one host")),
    ("soft-anti-affinity", mark("On different hosts where possible")),
    ("affinity", mark("Always on one host")),
    ("soft-affinity", mark("On one host where possible")),
)


def _blank(value: object) -> object:
    return None if value == "" else value


class GroupForm(BaseModel):
    """A new group as the browser sends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    policy: Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
    most_per_host: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None, BeforeValidator(_blank)
    ] = None


@blueprint.get("")
@require("instances:read")
def index() -> str:
    """The project's groups with the instances in them."""
    return _page(None, {})


@blueprint.post("")
@require("instances:write")
def create() -> BaseResponse:
    """Add one; a wrong field shows the page again."""
    values = csrf.fields()
    try:
        form = parse(GroupForm, values)
        server_groups.create(
            current(), current_caller(), form.name, form.policy, most_per_host=form.most_per_host
        )
    except WebcloudError as error:
        current().rollback()
        return make_response(_page(error, values), error.status)
    return redirect(url_for(".index"), 303)


@blueprint.post("/<group_id>/delete")
@require("instances:write")
def delete(group_id: str) -> BaseResponse:
    """Forget one; its instances stay."""
    session, caller = current(), current_caller()
    server_groups.delete(session, caller, server_groups.get(session, caller, group_id))
    return redirect(url_for(".index"), 303)


def _page(error: WebcloudError | None, values: dict[str, str]) -> str:
    session = current()
    groups = server_groups.list_groups(session, current_caller())
    return render_template(
        "server_groups/index.html",
        groups=groups,
        members=server_groups.members(session, [group.id for group in groups]),
        policies=POLICIES,
        policy_words=dict(POLICIES),
        error=error,
        values=values,
    )
