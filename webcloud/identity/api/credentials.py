"""Application credentials: one's own to make, list and delete; nobody else's to see."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.identity import credentials, queries, serialize
from webcloud.identity.api import forms
from webcloud.identity.api.envelopes import listed, one
from webcloud.identity.callers import Caller, current_caller
from webcloud.openapi import documented
from webcloud.web import json_body, parse, require

blueprint = Blueprint(
    "identity_credentials",
    __name__,
    url_prefix="/identity/v3/users/<user_id>/application_credentials",
)


@blueprint.post("")
@require("credentials:write")
@documented(
    "Create an application credential; its secret is shown this once.",
    body=forms.CredentialBody,
    status=201,
)
def create(user_id: str) -> tuple[dict[str, Any], int]:
    """The only answer that ever shows the secret."""
    caller = _self(user_id)
    form = parse(forms.CredentialBody, json_body()).application_credential
    if form.project_id not in (None, caller.project_id):
        raise BadRequest(
            "A credential is for the project you are logged in to.",
            field="application_credential.project_id",
        )
    made, secret = credentials.create(
        current(),
        caller,
        name=form.name,
        description=form.description or "",
        roles=[_role(ref) for ref in form.roles],
        expires_at=form.expires_at,
        unrestricted=form.unrestricted,
        secret=form.secret,
    )
    shown = {**serialize.application_credential(made), "secret": secret}
    return one("application_credential", shown), 201


@blueprint.get("")
@require("credentials:read")
@documented("List one's application credentials.", query=("name",))
def index(user_id: str) -> dict[str, Any]:
    caller = _self(user_id)
    credentials.refuse_restricted(caller)
    rows = credentials.of_user(current(), caller.user_id, request.args.get("name"))
    return listed(
        "application_credentials", [serialize.application_credential(row) for row in rows]
    )


@blueprint.get("/<credential_id>")
@require("credentials:read")
@documented("Show an application credential.")
def show(user_id: str, credential_id: str) -> dict[str, Any]:
    caller = _self(user_id)
    credentials.refuse_restricted(caller)
    found = credentials.get(current(), caller.user_id, credential_id)
    return one("application_credential", serialize.application_credential(found))


@blueprint.delete("/<credential_id>")
@require("credentials:write")
@documented("Delete an application credential; its tokens end.", status=204)
def delete(user_id: str, credential_id: str) -> tuple[str, int]:
    caller = _self(user_id)
    found = credentials.get(current(), caller.user_id, credential_id)
    credentials.delete(current(), caller, found)
    return "", 204


def _self(user_id: str) -> Caller:
    caller = current_caller()
    if user_id != caller.user_id:
        raise NotFound(f"There is no user {user_id}.")
    return caller


def _role(ref: forms.RoleRef) -> str:
    """The name of a role given by name or id; an unknown one is refused by the service."""
    for name, role_id in queries.ROLE_IDS.items():
        if name == ref.name or role_id == ref.id:
            return name
    return ref.name or ref.id or ""
