"""Key pairs of the calling user."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from flask import Response, jsonify, request
from pydantic import AfterValidator, Field

from webcloud.db import current
from webcloud.errors import BadRequest, Forbidden
from webcloud.field_faults import wrong
from webcloud.identity.callers import current_caller
from webcloud.instances import key_pairs, serialize
from webcloud.instances.api.dialect import after_marker, bp, empty, limit, minor, read
from webcloud.instances.api.views import plain
from webcloud.instances.fields import Name
from webcloud.instances.forms import Closed
from webcloud.instances.microversion import has
from webcloud.openapi import documented
from webcloud.web import require

NAME = re.compile(r"[\w @.-]+", re.ASCII)


def _plain(name: str) -> str:
    if not NAME.fullmatch(name):
        raise wrong("a key pair's name has letters, digits, spaces and the characters _ - @ .")
    return name


class NewKeyPairForm(Closed):
    """The ``keypair`` object of POST /os-keypairs."""

    name: Annotated[Name, AfterValidator(_plain)]
    public_key: Annotated[str, Field(max_length=16 * 1024)] | None = None
    type: Literal["ssh"] = "ssh"
    user_id: str | None = None


class NewKeyPair(Closed):
    """The body of POST /os-keypairs."""

    keypair: NewKeyPairForm


@bp.get("/os-keypairs")
@require("keypairs:read")
@documented("List your key pairs.", query=("limit", "marker", "user_id"))
def list_key_pairs() -> Response:
    _own(request.args.get("user_id"))
    rows = key_pairs.list_key_pairs(current(), current_caller())
    rows = after_marker(rows, lambda row: row.name)
    view = plain()
    return jsonify(
        {"keypairs": [{"keypair": serialize.key_pair(view, row)} for row in rows[: limit()]]}
    )


@bp.get("/os-keypairs/<path:name>")
@require("keypairs:read")
@documented("Show a key pair.", query=("user_id",))
def show_key_pair(name: str) -> Response:
    _own(request.args.get("user_id"))
    row = key_pairs.get_key_pair(current(), current_caller(), name)
    body: dict[str, Any] = {
        **serialize.key_pair(plain(), row),
        "id": row.id,
        "user_id": row.user_id,
        "created_at": serialize.precise(row.created_at),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return jsonify({"keypair": body})


@bp.post("/os-keypairs")
@require("keypairs:write")
@documented(
    "Import a public key, or (before 2.92) have a pair made.",
    body=NewKeyPair,
    status=201,
    answer="The key pair; with private_key, this once only, when it was made here.",
)
def create_key_pair() -> tuple[Response, int]:
    form = read(NewKeyPair).keypair
    session, caller = current(), current_caller()
    _own(form.user_id)
    private = None
    if form.public_key is not None:
        row = key_pairs.import_key_pair(session, caller, form.name, form.public_key)
    elif has("keypair.no_generation", minor()):
        raise BadRequest(
            "Field 'keypair.public_key' is missing.",
            field="keypair.public_key",
            next_step="From microversion 2.92 on, key pairs are made by the client.",
        )
    else:
        row, private = key_pairs.create_key_pair(session, caller, form.name)
    body = {**serialize.key_pair(plain(), row), "user_id": row.user_id}
    if private is not None:
        body["private_key"] = private
    return jsonify({"keypair": body}), 201 if has("keypair.type", minor()) else 200


@bp.delete("/os-keypairs/<path:name>")
@require("keypairs:write")
@documented("Delete a key pair; instances keep their key.", query=("user_id",), status=204)
def delete_key_pair(name: str) -> Response:
    _own(request.args.get("user_id"))
    key_pairs.delete_key_pair(current(), current_caller(), name)
    return empty(204 if has("keypair.type", minor()) else 202)


def _own(user_id: str | None) -> None:
    if user_id is not None and user_id != current_caller().user_id:
        raise Forbidden("Key pairs can be seen and changed by their own user only.")
