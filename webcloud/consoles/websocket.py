"""The WebSocket route: checks everything, then gives the socket to the proxy.

The token travels in Sec-WebSocket-Protocol, which is in no log and no
history.  The proxy never sees it, nor a cookie: it gets a request head made
of four headers.  gunicorn writes nothing more, because its socket is taken
away and the answer ends the request by raising StopIteration.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
from typing import Any, NoReturn

from flask import Blueprint, Response, request

from webcloud.consoles import service
from webcloud.consoles.origins import check_origin
from webcloud.consoles.proxy_client import ProxyIsDown
from webcloud.errors import BadRequest, Unavailable
from webcloud.identity.callers import current_caller
from webcloud.proxy.handover import Handover, Line, ProxyDown
from webcloud.web import database, edge, require

blueprint = Blueprint("console_sockets", __name__)

TOKEN_PREFIX = "webcloud.token."  # noqa: S105 - a marker, not a secret


class HandedOver(Response):
    """An answer that writes nothing: the socket is someone else's now."""

    def __call__(self, environ: Any, start_response: Any) -> NoReturn:
        raise StopIteration


@blueprint.get("/console/<kind>", websocket=True)
@require("public", transaction=False)
def connect(kind: str) -> Response:
    """Spend the token in the request and connect its console.

    A wrong token is answered by close code 1008 with a reason, because a page
    cannot read the answer to a refused handshake.  Raises Forbidden for
    another origin, Unavailable while the proxy is down.
    """
    check_origin(edge().config, request)
    connection = _socket()
    token = _token()
    head = _head()
    try:
        # The proxy is reached before the token is spent on it.
        with Line(edge().config.proxy_socket) as line:
            line.hand_over(_target(token, kind, head), connection.fileno())
    except ProxyDown as error:
        raise ProxyIsDown from error
    return _gone(connection)


def _target(token: str, kind: str, head: str) -> Handover:
    agent = str(edge().config.console_socket)
    try:
        with database().transaction() as session:
            row = service.redeem(session, token, kind, current_caller())
    except service.TokenRefused as refused:
        return Handover("", kind, 0, agent, head, refusal=refused.reason)
    return Handover(row.instance_id, row.kind, row.boot, agent, head)


def _socket() -> socket.socket:
    found = request.environ.get("gunicorn.socket")
    if not isinstance(found, socket.socket) or isinstance(found, ssl.SSLSocket):
        raise Unavailable("Consoles need webcloud's own web server without TLS of its own.")
    return found


def _offered() -> list[str]:
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    return [item.strip() for item in header.split(",")]


def _token() -> str:
    offered = _offered()
    tokens = [item for item in offered if item.startswith(TOKEN_PREFIX)]
    if "binary" not in offered or len(tokens) != 1:
        raise BadRequest("A console needs the subprotocol binary and one token.")
    return tokens[0].removeprefix(TOKEN_PREFIX)


def _head() -> str:
    """The request head for the proxy's handshake, in base64."""
    headers = request.headers
    lines = (
        "GET /console HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Version: {headers.get('Sec-WebSocket-Version', '')}",
        f"Sec-WebSocket-Key: {headers.get('Sec-WebSocket-Key', '')}",
        "Sec-WebSocket-Protocol: binary",
        "",
        "",
    )
    return base64.b64encode("\r\n".join(lines).encode("latin-1")).decode("ascii")


def _gone(connection: socket.socket) -> Response:
    # gunicorn half-closes a socket it still owns, which would end the console.
    os.close(connection.detach())
    return HandedOver()
