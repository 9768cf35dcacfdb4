"""The pages of instances: the list, one instance, its log, and what can be done to them.

Every action goes through ``service``, as the API's do.  A page and its
fragment are the same view: htmx gets the part that a hint refetches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from webcloud.conductor import queries as operations
from webcloud.conductor import story
from webcloud.db import current
from webcloud.drift import advice
from webcloud.drift import queries as drift
from webcloud.errors import BadRequest, NotFound, WebcloudError
from webcloud.frontend import csv_files
from webcloud.hosts import zones
from webcloud.identity import csrf
from webcloud.identity import queries as identity
from webcloud.identity.callers import Caller, current_caller
from webcloud.instances import faults, listing, queries, reasons, service, states
from webcloud.instances.fields import Description, Name
from webcloud.instances.forms import Closed
from webcloud.instances.models import Instance, Placement, ServerGroup
from webcloud.networks import queries as networks
from webcloud.web import database, parse, require
from webcloud.words import say

blueprint = Blueprint("instances_pages", __name__, url_prefix="/instances")

Action = Callable[[Session, Caller, Instance], Any]

ACTIONS: dict[str, Action] = {
    "start": service.start,
    "stop": service.stop,
    "reboot": service.reboot,
    "hard_reboot": lambda session, caller, it: service.reboot(session, caller, it, hard=True),
    "delete": service.delete,
}
MAX_BULK = 200
# What a terminal takes as orders: titles (OSC), colours and moves (CSI), and short ones.
TERMINAL = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|\[[0-9;?]*[ -/]*[@-~]|[ -Z\\^_])")
LOG_BYTES = 65536


class RenameForm(Closed):
    """What can be edited on the instance page."""

    name: Name
    description: Description = ""


@blueprint.get("")
@require("instances:read")
def index() -> Response:
    """The project's instances: ``?q=`` searches, ``?sort=`` and ``?page=`` arrange."""
    text = request.args.get("q", "").strip()[:500]
    sort = request.args.get("sort", "-created")
    page = request.args.get("page", 1, type=int)
    error: WebcloudError | None = None
    try:
        found = listing.read(current(), current_caller(), text=text, sort=sort, page=page)
    except BadRequest as wrong:
        error = wrong
        found = listing.Listing([], 0, 1, "created", True, text, any_at_all=True)
    template = "_list.html" if is_fragment() else "index.html"
    return make_response(render_template(f"instances/{template}", listing=found, error=error))


@blueprint.get("/list.csv")
@require("instances:read")
def index_as_csv() -> Response:
    """The rows of the list, all pages of them; ``?q=`` and ``?sort=`` as on the page."""
    caller = current_caller()
    text = request.args.get("q", "").strip()[:500]
    found = listing.read_all(current(), caller, text=text, sort=request.args.get("sort", ""))
    heads = ["id", "name", "status", "addresses", "image", "flavor", "vcpus", "memory_mb"]
    heads += ["disk_gb", "created_at", *(["host"] if caller.is_admin else [])]
    return csv_files.answer("instances.csv", heads, (_csv_row(caller, row) for row in found))


def _csv_row(caller: Caller, row: listing.Row) -> list[object]:
    it = row.instance
    values = [it.id, it.name, row.status.status, " ".join(row.addresses), row.image_name]
    sizes = [it.flavor_name, it.vcpus, it.memory_mb, it.disk_gb, it.created_at.isoformat()]
    return [*values, *sizes, *([row.host_name] if caller.is_admin else [])]


@blueprint.post("/actions")
@require("instances:write", transaction=False)
def act_on_many() -> BaseResponse:
    """One action on the ticked instances, each in its own transaction, with a result for each."""
    name, ids = _action(request.form.get("action", "")), request.form.getlist("id")
    if len(ids) > MAX_BULK:
        raise BadRequest(say("At most {most} instances at once.", most=MAX_BULK), field="id")
    results = [_one_of_many(name, instance_id) for instance_id in dict.fromkeys(ids)]
    if not is_fragment():
        return redirect(url_for(".index"), 303)
    return make_response(
        render_template("instances/_bulk_results.html", action=name, results=results)
    )


def _one_of_many(action: str, instance_id: str) -> tuple[str, WebcloudError | None]:
    name = instance_id
    try:
        with database().transaction() as session:
            instance = queries.get(session, current_caller(), instance_id)
            name = instance.name
            ACTIONS[action](session, current_caller(), instance)
    except WebcloudError as error:
        return name, error
    return name, None


@blueprint.get("/<instance_id>")
@require("instances:read")
def show(instance_id: str) -> str:
    """One instance, also after it was deleted, with the story of what happened to it."""
    caller, session = current_caller(), current()
    instance = queries.get(session, caller, instance_id, deleted=True)
    (row,) = listing.rows(session, caller, [instance])
    told = story.tell(session, operations.operations_of(session, "instance", instance.id, 20))
    users = {each.operation.user_id for each in told} | {instance.user_id}
    names = {user.id: user.name for user in identity.users(session) if user.id in users}
    project = identity.project(session, instance.project_id)
    ports = networks.ports_of_instances(session, [instance.id])[instance.id]
    network_names = networks.network_names(session)
    placements = queries.placements(session, instance.id) if caller.is_admin else []
    return render_template(
        f"instances/{'_instance.html' if is_fragment() else 'show.html'}",
        row=row,
        instance=instance,
        status=row.status,
        power_words=states.POWERS[instance.observed_power],
        stories=told,
        users=names,
        project=project,
        ports=[(port, network_names.get(port.network_id, "")) for port in ports],
        placement=_placement_here(instance, placements),
        fault_title=faults.title,
        fault_next=faults.next_step,
        zone=zones.by_host(session).get(instance.host_id, zones.DEFAULT)
        if instance.host_id
        else (instance.wishes or {}).get("zone", ""),
        group=session.get(ServerGroup, instance.server_group_id or ""),
        filter_words=reasons.filter_words,
        weigher_words=reasons.weigher_words,
        login_user=listing.login_user(session, instance.image_id),
        drift=advice.for_owner(drift.of_instance(session, caller, instance.id)),
    )


def _placement_here(instance: Instance, placements: list[Placement]) -> Placement | None:
    """Why it is where it is: the newest answer may be of a move that was taken back."""
    here = (each for each in placements if each.host_id == instance.host_id)
    return next(here, placements[0] if placements else None)


@blueprint.post("/<instance_id>/actions/<action>")
@require("instances:write")
def act(instance_id: str, action: str) -> BaseResponse:
    """Do one action; the page then tells what happens."""
    instance = queries.get(current(), current_caller(), instance_id)
    ACTIONS[_action(action)](current(), current_caller(), instance)
    return redirect(url_for(".show", instance_id=instance.id), 303)


@blueprint.post("/<instance_id>/edit")
@require("instances:write")
def edit(instance_id: str) -> BaseResponse:
    """Change the name and the description."""
    form = parse(RenameForm, csrf.fields())
    instance = queries.get(current(), current_caller(), instance_id)
    service.rename(
        current(), current_caller(), instance, name=form.name, description=form.description
    )
    return redirect(url_for(".show", instance_id=instance.id), 303)


@blueprint.get("/<instance_id>/log")
@require("instances:read", transaction=False)
def log(instance_id: str) -> str:
    """The end of what the guest wrote to its serial console, asked from the host now."""
    caller = current_caller()
    with database().reading() as session:
        instance = queries.get(session, caller, instance_id)
        (row,) = listing.rows(session, caller, [instance])
    text, error = "", None
    try:
        text = service.console_log(database(), instance, LOG_BYTES)
    except WebcloudError as failed:
        error = failed
    template = "_log.html" if is_fragment() else "log.html"
    return render_template(
        f"instances/{template}",
        row=row,
        instance=instance,
        status=row.status,
        text=_plain(text),
        error=error,
    )


def is_fragment() -> bool:
    """Whether htmx asks for a part of the page."""
    return "HX-Request" in request.headers


def _action(name: str) -> str:
    if name not in ACTIONS:
        raise NotFound(say("There is no action {name}.", name=name[:40]))
    return name


def _plain(text: str) -> str:
    """The log without the control characters that a page cannot show."""
    without = TERMINAL.sub("", text)
    return re.sub(r"[^\n\t\x20-\U0010ffff]|[\x7f-\x9f]", "", without.replace("\r\n", "\n"))
