"""The console pages and the calls their script makes.

The page carries its first token, so that the console connects without
another round trip; it is never stored, and the token works once.  A page
that was made by the API has its token in the fragment and needs no login.
"""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from webcloud.consoles import proxy_client, service
from webcloud.consoles.origins import check_origin
from webcloud.db import current
from webcloud.identity.callers import Caller, current_caller
from webcloud.instances import queries
from webcloud.instances.models import Instance
from webcloud.web import database, edge, json_body, parse, require

blueprint = Blueprint("consoles", __name__)


class TokenRequest(BaseModel):
    """Which console is wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str = "vnc"


@blueprint.get("/instances/<instance_id>/console")
@require("consoles:open", transaction=False)
def show(instance_id: str) -> Response:
    """The page; it opens for a stopped instance too, and says so."""
    kind = _kind()
    caller = current_caller()
    with database().transaction() as session:
        instance = queries.get(session, caller, instance_id)
        token = _first_token(session, caller, instance, kind)
    return _page(instance, kind, token)


def _first_token(session: Session, caller: Caller, instance: Instance, kind: str) -> str:
    try:
        return service.open_console(session, caller, instance, kind)
    except service.NotRunning:
        return ""


@blueprint.post("/instances/<instance_id>/console-token")
@require("consoles:open")
def token(instance_id: str) -> dict[str, str]:
    """A fresh token for a page that lost its console; errors say what it waits for."""
    wanted = parse(TokenRequest, json_body())
    if "Origin" in request.headers:
        check_origin(edge().config, request)
    instance = queries.get(current(), current_caller(), instance_id)
    made = service.open_console(current(), current_caller(), instance, wanted.kind)
    proxy_client.health(edge().config)
    return {"token": made, "kind": wanted.kind, "path": f"/console/{wanted.kind}"}


@blueprint.get("/console")
@require("public", transaction=False)
def from_link() -> Response:
    """The page for an address made by the API; its script reads the fragment."""
    return _page(None, _kind(), "")


def _page(instance: Instance | None, kind: str, token: str) -> Response:
    page = render_template("consoles/show.html", instance=instance, kind=kind, token=token)
    return Response(page, headers={"Referrer-Policy": "no-referrer"})


def _kind() -> str:
    return "serial" if request.args.get("kind") == "serial" else "vnc"
