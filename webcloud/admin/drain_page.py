"""Draining a host in the dashboard: first what it would do, then how far it is."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from webcloud.admin.host_view import view
from webcloud.db import current
from webcloud.hosts import queries
from webcloud.identity import csrf
from webcloud.identity.callers import current_caller
from webcloud.instances import draining, moving
from webcloud.instances.forms import Closed
from webcloud.web import parse, require

blueprint = Blueprint("hosts_pages_drain", __name__, url_prefix="/hosts")


class Nothing(Closed):
    """A form without fields."""


@blueprint.get("/<host_id>/drain")
@require("hosts:read")
def show(host_id: str) -> str:
    """For each instance of the host where it would go, or why it cannot; changes nothing."""
    session = current()
    host = queries.get(session, host_id)
    plan = moving.plan(session, host)
    template = "_draining.html" if "HX-Request" in request.headers else "drain.html"
    return render_template(
        f"hosts/{template}",
        host=host,
        view=view(host, len(plan)),
        plan=plan,
        movable=sum(move.target is not None for move in plan),
        copied=sum(move.bytes_to_copy for move in plan if move.target is not None),
    )


@blueprint.post("/<host_id>/drain")
@require("hosts:admin")
def begin(host_id: str) -> BaseResponse:
    """Close the host and move what is on it."""
    _without_fields()
    draining.begin(current(), current_caller(), queries.get(current(), host_id))
    return redirect(url_for(".show", host_id=host_id), 303)


@blueprint.post("/<host_id>/drain/cancel")
@require("hosts:admin")
def cancel(host_id: str) -> BaseResponse:
    """Begin no further move."""
    _without_fields()
    draining.cancel(current(), current_caller(), queries.get(current(), host_id))
    return redirect(url_for(".show", host_id=host_id), 303)


def _without_fields() -> None:
    parse(Nothing, csrf.fields())
