"""The compute API's remote consoles: POST /servers/{id}/remote-consoles, from 2.6 on.

Older clients ask by the actions os-getVNCConsole and os-getSerialConsole.
The address that is returned carries its token in the fragment, which browsers
send to no server.  Only noVNC and serial consoles exist; other pairs that
Nova knows are refused.  Source: "Server Consoles" of the Compute API.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, jsonify
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from webcloud.consoles import service
from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.identity.callers import Caller, current_caller
from webcloud.instances import queries
from webcloud.instances.api import actions, dialect
from webcloud.instances.models import Instance
from webcloud.openapi import documented
from webcloud.web import database, edge, json_body, parse, require

blueprint = Blueprint("compute_consoles", __name__)

blueprint.before_request(dialect.settle_version)
blueprint.after_request(dialect.echo_version)

SINCE = 6
TYPES = {"vnc": "novnc", "serial": "serial", "spice": "spice-html5"}
OLD_ACTIONS = {
    "vnc": "os-getVNCConsole",
    "serial": "os-getSerialConsole",
    "spice": "os-getSPICEConsole",
}


class RemoteConsole(BaseModel):
    """Which protocol, and which page for it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    protocol: Literal["vnc", "spice", "serial"]
    type: Literal["novnc", "spice-html5", "serial"]


class RemoteConsoleRequest(BaseModel):
    """The body of the request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    remote_console: RemoteConsole


@blueprint.post(f"{dialect.BASE}/servers/<server_id>/remote-consoles")
@require("consoles:open")
@documented(
    "Make a console's address, good for one minute and one use",
    body=RemoteConsoleRequest,
    answer="remote_console with protocol, type and url",
)
def create(server_id: str) -> dict[str, Any]:
    if dialect.minor() < SINCE:
        raise NotFound(f"Remote consoles exist since version 2.{SINCE} of this API.")
    wanted = parse(RemoteConsoleRequest, json_body()).remote_console
    if TYPES[wanted.protocol] != wanted.type:
        raise BadRequest(
            f"A {wanted.protocol} console is of type {TYPES[wanted.protocol]}.",
            field="remote_console.type",
        )
    instance = queries.get(current(), current_caller(), server_id)
    url = console_url(current(), current_caller(), instance, wanted.protocol)
    return {"remote_console": {"protocol": wanted.protocol, "type": wanted.type, "url": url}}


def console_url(session: Session, caller: Caller, instance: Instance, kind: str) -> str:
    """An address for a browser, logged in or not: good once, for a minute.

    Raises BadRequest for a kind the instance does not have, NotRunning.
    """
    token = service.open_console(session, caller, instance, kind)
    return f"{edge().config.public_url}/console?kind={kind}#{urlencode({'token': token})}"


class OldConsole(BaseModel):
    """What the actions take: which page."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["novnc", "spice-html5", "serial"]


def register(app: Flask) -> None:
    """Add the route, and the actions that came before it."""
    app.register_blueprint(blueprint)
    for kind, action in OLD_ACTIONS.items():
        actions.register_action(action, _handler(kind, action))


def _handler(kind: str, action: str) -> actions.Handler:
    def answer(caller: Caller, server_id: str, arguments: Any) -> Response:
        if dialect.minor() >= SINCE:
            raise NotFound(f"{action} ended with version 2.{SINCE - 1}; use remote-consoles.")
        wanted = parse(OldConsole, arguments, prefix=action)
        if wanted.type != TYPES[kind]:
            raise BadRequest(f"{action} makes consoles of type {TYPES[kind]}.", field=action)
        with database().transaction() as session:
            instance = queries.get(session, caller, server_id)
            url = console_url(session, caller, instance, kind)
        return jsonify({"console": {"type": wanted.type, "url": url}})

    return answer
