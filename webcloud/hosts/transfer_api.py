"""The way of a disk from one host through here to another.

Only the host that has been told to send a transfer may add to it, and only
the one that has been told to receive it may read it, both for as long as that
command is open.  Anything else is refused and audited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file

from agents.wire.commands import ReceiveDisk, SendDisk
from webcloud import bodies, web
from webcloud.errors import BadRequest, NotFound, TooLarge
from webcloud.hosts import commands, reports, transfers
from webcloud.hosts.agent_api import calling_host

blueprint = Blueprint("agents_transfers", __name__, url_prefix="/agents/v1/transfers")

MOST_AT_ONCE = 16 << 20
PIECE = 1 << 20
_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@blueprint.get("/<transfer_id>/received")
@web.require("agent", transaction=False)
def received(transfer_id: str) -> Response:
    """How many bytes have come, for a sender that goes on."""
    _told(SendDisk, transfer_id)
    return jsonify({"received": transfers.current().received(transfer_id)})


@blueprint.put("/<transfer_id>")
@web.require("agent", transaction=False)
def send(transfer_id: str) -> Response:
    """Add the bytes that ``Content-Range`` names."""
    bodies.unbounded()
    order = _told(SendDisk, transfer_id)
    first, last, whole = _span(request.headers.get("Content-Range", ""))
    if whole > int(order["max_bytes"]) or last - first >= MOST_AT_ONCE:
        raise TooLarge("More bytes are announced than this transfer may have.")
    end = transfers.current().append(transfer_id, first, _body(last + 1 - first), whole)
    return jsonify({"received": end})


@blueprint.get("/<transfer_id>")
@web.require("agent", transaction=False)
def receive(transfer_id: str) -> Response:
    """The bytes, for the host that waits for them. Ranges are understood."""
    _told(ReceiveDisk, transfer_id)
    path = transfers.current().path(transfer_id)
    if not path.is_file():
        raise NotFound("The transfer's bytes are not here any more.")
    return send_file(
        path, mimetype="application/octet-stream", etag=False, conditional=True, max_age=None
    )


def _told(kind: type[Any], transfer_id: str) -> dict[str, Any]:
    """What the calling host was told about the transfer. Raises NotFound when it was not."""
    with web.database().reading() as session:
        host = calling_host(session)
        order = commands.awaited(session, host.id, kind, transfer_id=transfer_id)
    if order is None:
        with web.database().transaction() as noting:
            reports.note_foreign(noting, host, "transfer", transfer_id)
        raise NotFound("This host has no part in such a transfer.")
    return order


def _span(text: str) -> tuple[int, int, int]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BadRequest("Content-Range must be 'bytes FIRST-LAST/WHOLE'.", field="Content-Range")
    first, last, whole = (int(number) for number in found.groups())
    if not first <= last < whole:
        raise BadRequest("Content-Range is not within the whole.", field="Content-Range")
    return first, last, whole


def _body(length: int) -> Iterator[bytes]:
    while length and (piece := request.stream.read(min(PIECE, length))):
        length -= len(piece)
        yield piece
