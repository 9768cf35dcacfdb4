"""The page on which an operator moves an instance: what it would do first, then the doing."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import WebcloudError
from webcloud.identity import csrf
from webcloud.identity.callers import current_caller
from webcloud.instances import listing, moving, queries
from webcloud.instances.forms import Closed
from webcloud.web import parse, require

blueprint = Blueprint("move_pages", __name__, url_prefix="/instances")


class MoveForm(Closed):
    """``host_id`` is "" for the one that weighs best when it comes to it."""

    host_id: str = ""


@blueprint.get("/<instance_id>/move")
@require("instances:admin")
def show(instance_id: str) -> str:
    """What a move would do at this moment, and where it could go. Changes nothing."""
    return _page(instance_id, "", None)


@blueprint.post("/<instance_id>/move")
@require("instances:admin")
def move(instance_id: str) -> BaseResponse:
    """Begin it; what cannot be is said on the page again."""
    form = parse(MoveForm, csrf.fields())
    instance = queries.get(current(), current_caller(), instance_id)
    try:
        moving.begin(current(), current_caller(), instance, form.host_id or None)
    except WebcloudError as error:
        current().rollback()
        return make_response(_page(instance_id, form.host_id, error), error.status)
    return redirect(url_for("instances_pages.show", instance_id=instance_id), 303)


def _page(instance_id: str, chosen: str, error: WebcloudError | None) -> str:
    session, caller = current(), current_caller()
    instance = queries.get(session, caller, instance_id)
    (row,) = listing.rows(session, caller, [instance])
    return render_template(
        "instances/move.html",
        row=row,
        instance=instance,
        status=row.status,
        move=moving.planned(session, instance),
        chosen=chosen,
        error=error,
    )
