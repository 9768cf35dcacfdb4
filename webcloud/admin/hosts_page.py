"""The pages of hosts, for operators: what each offers, what is promised, what happened there.

What can be done to a host goes through ``hosts.service``, as the API's verbs
and the command line's do.
"""

from __future__ import annotations

from typing import TypeVar

from flask import Blueprint, redirect, render_template, request, url_for
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from webcloud.admin import health
from webcloud.admin.host_view import view
from webcloud.db import current
from webcloud.drift import queries as drift
from webcloud.hosts import events, giving_up, queries, service
from webcloud.hosts.models import Host
from webcloud.identity import csrf
from webcloud.identity.callers import current_caller
from webcloud.instances import listing
from webcloud.instances import queries as instances
from webcloud.instances.forms import Closed
from webcloud.instances.models import Instance
from webcloud.web import parse, require

Form = TypeVar("Form", bound=Closed)

blueprint = Blueprint("hosts_pages", __name__, url_prefix="/hosts")


class DisableForm(Closed):
    """Why a host is closed; other operators read it."""

    reason: str = Field(default="", max_length=255)


class Nothing(Closed):
    """A form without fields."""


@blueprint.get("")
@require("hosts:read")
def index() -> str:
    """Every host that has joined."""
    session = current()
    counts = _instance_counts(session)
    views = [view(host, counts.get(host.id, 0)) for host in queries.list_hosts(session)]
    template = "_list.html" if "HX-Request" in request.headers else "index.html"
    return render_template(f"hosts/{template}", views=views)


@blueprint.get("/<host_id>")
@require("hosts:read")
def show(host_id: str) -> str:
    """One host: its inventory, its events, and the instances placed on it."""
    session = current()
    host = queries.get(session, host_id)
    placed = instances.on_host(session, host.id)
    template = "_host.html" if "HX-Request" in request.headers else "show.html"
    return render_template(
        f"hosts/{template}",
        view=view(host, len(placed)),
        host=host,
        rows=listing.rows(session, current_caller(), placed),
        images=listing.image_names(session, set(host.cached_images)),
        drift=health.lines(session, drift.of_host(session, host.id)),
        events=[(event, events.words(event)) for event in events.of_host(session, host.id)],
        obstacles=service.in_the_way(session, host),
    )


@blueprint.post("/<host_id>/enable")
@require("hosts:admin")
def enable(host_id: str) -> BaseResponse:
    """Take new instances again."""
    _form(Nothing)
    service.enable(current(), current_caller(), _host(host_id))
    return _back(host_id)


@blueprint.post("/<host_id>/disable")
@require("hosts:admin")
def disable(host_id: str) -> BaseResponse:
    """Take no new instances."""
    reason = _form(DisableForm).reason.strip()
    service.disable(current(), current_caller(), _host(host_id), reason)
    return _back(host_id)


@blueprint.post("/<host_id>/give-up")
@require("hosts:admin")
def give_up(host_id: str) -> BaseResponse:
    """Count the machine as lost for good."""
    _form(Nothing)
    giving_up.give_up(current(), current_caller(), _host(host_id))
    return _back(host_id)


@blueprint.post("/<host_id>/remove")
@require("hosts:admin")
def remove(host_id: str) -> BaseResponse:
    """Forget a host that nothing is on."""
    _form(Nothing)
    service.remove(current(), current_caller(), _host(host_id))
    return redirect(url_for(".index"), 303)


def _host(host_id: str) -> Host:
    return queries.get(current(), host_id)


def _form(form: type[Form]) -> Form:
    return parse(form, csrf.fields())


def _back(host_id: str) -> BaseResponse:
    return redirect(url_for(".show", host_id=host_id), 303)


def _instance_counts(session: Session) -> dict[str, int]:
    rows = session.execute(
        select(Instance.host_id, func.count(Instance.id))
        .where(Instance.deleted_at.is_(None), Instance.host_id.is_not(None))
        .group_by(Instance.host_id)
    )
    return {host_id: count for host_id, count in rows if host_id}
