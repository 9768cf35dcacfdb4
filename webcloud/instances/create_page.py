"""Create instance: one screen, everything prefilled, errors at their field.

The form is checked field by field so that all faults show at once; then the
same service as the API's accepts the request.  Nothing typed is ever lost: a
refused form comes back as it was sent, and a key generated on the way stays.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import BadRequest, WebcloudError
from webcloud.field_faults import said_of
from webcloud.frontend.languages import said, said_error
from webcloud.hosts import queries as hosts
from webcloud.hosts import zones
from webcloud.identity import csrf, quotas
from webcloud.identity.callers import Caller, current_caller
from webcloud.identity.quotas import Usage
from webcloud.images import queries as images
from webcloud.images.models import Image
from webcloud.instances import (
    creation,
    flavors,
    key_pairs,
    previewing,
    queries,
    reasons,
    server_groups,
)
from webcloud.instances.fields import MAX_USER_DATA, Description, Name
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Flavor, Instance, KeyPair, ServerGroup
from webcloud.instances.previewing import Preview
from webcloud.networks import queries as networks
from webcloud.networks.models import Network
from webcloud.web import edge, require
from webcloud.words import say

blueprint = Blueprint("instances_create", __name__, url_prefix="/instances")

GIB = 1024**3
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


class CreateForm(BaseModel):
    """The form as the browser sends it; ``network_id`` "" lets the cloud choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    image_id: str
    flavor_id: str
    network_id: str = ""
    key_mode: Literal["none", "existing", "paste", "generate"] = "none"
    key_name: str = ""
    new_key_name: str = ""
    public_key: str = ""
    user_data: str = ""
    description: Description = ""
    zone: str = ""
    group_id: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True)
class FlavorChoice:
    """A flavor card; ``refusal`` says why it cannot be chosen now."""

    flavor: Flavor
    refusal: str = ""


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, and what of it is chosen.

    ``copies`` counts on how many of the ``hosts`` each image is there already.
    """

    images: list[Image]
    flavors: list[FlavorChoice]
    networks: list[Network]
    key_pairs: list[KeyPair]
    quota: dict[str, Usage]
    zones: list[str]
    groups: list[ServerGroup]
    values: dict[str, str] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    hosts: int = 0


@blueprint.get("/new")
@require("instances:write")
def new() -> str:
    """The form, with sane defaults to accept."""
    session, caller = current(), current_caller()
    choices = _choices(session, caller, {})
    return render_template("instances/new.html", **_page(choices))


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
    except _Refused as refused:
        return _form_again(session, caller, values, refused.errors)
    except WebcloudError as error:
        place = FIELDS.get(error.field or "", error.field or "")
        known = place in CreateForm.model_fields
        errors = {place: said_error(error)} if known else {}
        return _form_again(session, caller, values, errors, error)
    return redirect(url_for("instances_pages.show", instance_id=instance_id), 303)


class _Refused(Exception):
    """Faults by field name, in words."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__()
        self.errors = errors


def _accept(session: Session, caller: Caller, values: dict[str, str]) -> str:
    form = _parse(values)
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
        user_data=base64.b64encode(_lines(form.user_data)).decode() or None,
        description=form.description,
        zone=form.zone or None,
        group_id=form.group_id or None,
    )
    if form.key_mode == "paste" and not creation.replayed(session, caller, wanted, key):
        key_pairs.import_key_pair(session, caller, key_name or "", form.public_key)
    return creation.create(session, caller, wanted, idempotency_key=key)[0].id


def _parse(values: dict[str, str]) -> CreateForm:
    """Raises _Refused with every fault."""
    errors: dict[str, str] = {}
    form: CreateForm | None = None
    try:
        form = CreateForm.model_validate(values)
    except ValidationError as wrong:
        for fault in wrong.errors(include_url=False, include_input=False):
            name = str(fault["loc"][0])
            if name not in CreateForm.model_fields:
                raise BadRequest(
                    say("Unknown field {name!r}.", name=name[:100]), field=name
                ) from wrong
            missing = fault["type"] == "missing"
            errors[name] = gettext("Choose one.") if missing else _sentence(said_of(fault))
    if len(_lines(values.get("user_data", ""))) > MAX_USER_DATA:
        errors["user_data"] = gettext("User data is at most 64 KiB.")
    mode = values.get("key_mode", "none")
    if mode == "existing" and not values.get("key_name"):
        errors["key_name"] = gettext("Choose a key pair.")
    if mode == "paste":
        if not values.get("new_key_name", "").strip():
            errors["new_key_name"] = gettext("Give the key a name.")
        if not values.get("public_key", "").strip():
            errors["public_key"] = gettext("Paste the public key, e.g. from ~/.ssh/id_ed25519.pub.")
    if mode == "generate":
        errors["new_key_name"] = gettext("Press Generate first, and keep the private key.")
    if errors or form is None:
        raise _Refused(errors)
    return form


def _sentence(message: str) -> str:
    """A field's fault as a sentence in the reader's language."""
    words = said(message)
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _lines(text: str) -> bytes:
    """What was typed, with the line ends of Unix: browsers send others, scripts break on them."""
    return text.replace("\r\n", "\n").encode()


def _form_again(
    session: Session,
    caller: Caller,
    values: dict[str, str],
    errors: dict[str, str],
    error: WebcloudError | None = None,
) -> Response:
    session.rollback()
    choices = _choices(session, caller, values)
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


def _choices(session: Session, caller: Caller, values: dict[str, str]) -> Choices:
    ready = [image for image in images.list_images(session, caller) if image.status == "active"]
    nets = networks.list_networks(session, caller)
    pairs = key_pairs.list_key_pairs(session, caller)
    quota = quotas.usage(session, caller.project_id)
    filled = {
        "name": free_name(session, caller),
        "image_id": ready[0].id if ready else "",
        "network_id": next((net.id for net in nets if net.is_default), ""),
        "key_mode": "existing" if pairs else "none",
        "key_name": pairs[0].name if pairs else "",
        **values,
    }
    image = next((each for each in ready if each.id == filled["image_id"]), None)
    sizes = [
        FlavorChoice(flavor, _refusal(flavor, quota))
        for flavor in flavors.list_flavors(session, caller)
    ]
    if "flavor_id" not in filled:
        fitting = [one.flavor.id for one in sizes if not one.refusal and _fits(one.flavor, image)]
        filled["flavor_id"] = fitting[0] if fitting else ""
    copies, count = hosts.image_copies(session)
    return Choices(
        ready,
        sizes,
        nets,
        pairs,
        quota,
        zones=[zone.name for zone in zones.list_zones(session)],
        groups=server_groups.list_groups(session, caller),
        values=filled,
        copies=copies,
        hosts=count,
    )


def free_name(session: Session, caller: Caller) -> str:
    """A name that is free in the project: vm-1, vm-2, …"""
    names = (
        queries.visible(caller)
        .with_only_columns(Instance.name)
        .where(Instance.deleted_at.is_(None), Instance.name.startswith("vm-"))
    )
    taken = set(session.scalars(names))
    number = 1
    while f"vm-{number}" in taken:
        number += 1
    return f"vm-{number}"


def _fits(flavor: Flavor, image: Image | None) -> bool:
    if image is None:
        return True
    disk = max(image.virtual_size or 0, image.min_disk_gb * GIB)
    enough = image.disk_format == "iso" or disk <= flavor.disk_gb * GIB
    return enough and image.min_memory_mb <= flavor.memory_mb


def _refusal(flavor: Flavor, quota: dict[str, Usage]) -> str:
    wants = {"vcpus": flavor.vcpus, "memory_mb": flavor.memory_mb, "disk_gb": flavor.disk_gb}
    for resource, amount in wants.items():
        left = quota[resource].left
        if left is not None and amount > left:
            return str(gettext("Over the project's quota"))
    return ""
