"""Create instance: one screen, everything prefilled, errors at their field.

What was sent is checked by ``create_form``; then the same service as the API's
accepts the request.  Nothing typed is ever lost: a refused form comes back as it
was sent, and a key generated on the way stays.
"""

from __future__ import annotations

import base64

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import WebcloudError
from webcloud.frontend.languages import said_error
from webcloud.identity import csrf
from webcloud.identity.callers import Caller, current_caller
from webcloud.instances import creation, key_pairs, previewing, reasons
from webcloud.instances.create_choices import Choices, offered
from webcloud.instances.create_form import CreateForm, Refused, parse, unix_lines
from webcloud.instances.forms import NewInstance
from webcloud.instances.previewing import Preview
from webcloud.web import edge, require

blueprint = Blueprint("instances_create", __name__, url_prefix="/instances")

# What decides whether there is room.
ROOM_FIELDS = ("image_id", "flavor_id", "zone", "group_id")

# What the services call a field -> where it is on this page.
FIELDS = {
    "imageRef": "image_id",
    "flavorRef": "flavor_id",
    "networks": "network_id",
    "server.availability_zone": "zone",
    "os:scheduler_hints.group": "group_id",
    "keypair.name": "new_key_name",
    "keypair.public_key": "public_key",
}


@blueprint.get("/new")
@require("instances:write")
def new() -> str:
    """The form, with sane defaults to accept."""
    session, caller = current(), current_caller()
    return render_template("instances/new.html", **_page(offered(session, caller, {})))


@blueprint.get("/new/room")
@require("instances:write")
def room() -> str:
    """Whether a host has room for what is chosen, as the form asks while one chooses."""
    session, caller = current(), current_caller()
    chosen = {name: request.args.get(name, "")[:255] for name in ROOM_FIELDS}
    found: Preview | None = None
    error: WebcloudError | None = None
    if chosen["image_id"] and chosen["flavor_id"]:
        try:
            found = previewing.room(
                session,
                caller,
                NewInstance(
                    name="",
                    image_id=chosen["image_id"],
                    flavor_id=chosen["flavor_id"],
                    zone=chosen["zone"] or None,
                    group_id=chosen["group_id"] or None,
                ),
            )
        except WebcloudError as wrong:
            error = wrong
    return render_template(
        "instances/_room.html",
        preview=found,
        error=error,
        filter_words=reasons.filter_words,
        weigher_words=reasons.weigher_words,
    )


@blueprint.post("")
@require("instances:write")
def create() -> BaseResponse:
    """Accept the request and go to the instance, or show the form again with its errors."""
    session, caller = current(), current_caller()
    values = csrf.fields()
    try:
        instance_id = _accept(session, caller, values)
    except Refused as refused:
        return _form_again(session, caller, values, refused.errors)
    except WebcloudError as error:
        place = FIELDS.get(error.field or "", error.field or "")
        known = place in CreateForm.model_fields
        errors = {place: said_error(error)} if known else {}
        return _form_again(session, caller, values, errors, error)
    return redirect(url_for("instances_pages.show", instance_id=instance_id), 303)


def _accept(session: Session, caller: Caller, values: dict[str, str]) -> str:
    form = parse(values)
    key, key_name = form.idempotency_key[:64] or None, None
    if form.key_mode == "existing":
        key_name = form.key_name
    elif form.key_mode == "paste":
        key_name = form.new_key_name.strip()
    wanted = NewInstance(
        name=form.name,
        image_id=form.image_id,
        flavor_id=form.flavor_id,
        network_ids=(form.network_id,) if form.network_id else None,
        key_name=key_name,
        user_data=base64.b64encode(unix_lines(form.user_data)).decode() or None,
        description=form.description,
        zone=form.zone or None,
        group_id=form.group_id or None,
    )
    if form.key_mode == "paste" and not creation.replayed(session, caller, wanted, key):
        key_pairs.import_key_pair(session, caller, key_name or "", form.public_key)
    return creation.create(session, caller, wanted, idempotency_key=key)[0].id


def _form_again(
    session: Session,
    caller: Caller,
    values: dict[str, str],
    errors: dict[str, str],
    error: WebcloudError | None = None,
) -> Response:
    session.rollback()
    choices = offered(session, caller, values)
    page = render_template(
        "instances/new.html", **_page(choices, errors=errors, error=None if errors else error)
    )
    return make_response(page, error.status if error else 400)


def _page(
    choices: Choices, *, errors: dict[str, str] | None = None, error: WebcloudError | None = None
) -> dict[str, object]:
    return {
        "choices": choices,
        "values": choices.values,
        "errors": errors or {},
        "error": error,
        "compute_url": f"{edge().config.public_url}/compute/v2.1",
    }
