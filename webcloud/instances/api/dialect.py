"""What every route of the compute API shares: address, version, errors, bodies.

The microversion is settled before a view runs and echoed after it.  Errors
have Nova's one-member shape, with the input at fault as ``field``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Blueprint, Response, g, jsonify, request
from pydantic import BaseModel

from webcloud.errors import BadRequest, WebcloudError
from webcloud.instances import microversion
from webcloud.web import edge, json_body, parse

PREFIX = "/compute"
BASE = f"{PREFIX}/v2.1"
MAX_LIMIT = 1000

Form = TypeVar("Form", bound=BaseModel)
Row = TypeVar("Row")

# The compute API answers at BASE; the list of versions at PREFIX.
bp = Blueprint("compute_api", __name__, url_prefix=BASE)
ERROR_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    503: "serviceUnavailable",
}


@bp.before_request
def settle_version() -> None:
    """Read which microversion is asked for; raises BadRequest or NotAcceptable."""
    g.compute_minor = microversion.requested(request.headers)


@bp.after_request
def echo_version(response: Response) -> Response:
    """Say which microversion was used, and that the answer depends on it."""
    if "compute_minor" in g:
        version = microversion.text(g.compute_minor)
        response.headers[microversion.HEADER] = f"compute {version}"
        response.headers[microversion.OLD_HEADER] = version
    response.vary.update((microversion.HEADER, microversion.OLD_HEADER))
    return response


def minor() -> int:
    """The N of 2.N that this request uses."""
    return cast(int, g.compute_minor)


def public_base() -> str:
    """The address of the compute API as users see it, for links."""
    return f"{edge().config.public_url}{BASE}"


def read(form: type[Form]) -> Form:
    """The request's JSON body as this form; raises BadRequest naming the field."""
    return checked(form, json_body())


def checked(form: type[Form], body: Any, *, prefix: str = "") -> Form:
    """A decoded body, or its part called ``prefix``, as this form.

    Raises BadRequest naming the field.
    """
    if not isinstance(body, dict):
        what = f"Field {prefix!r}" if prefix else "The request body"
        raise BadRequest(f"{what} must be a JSON object.", field=prefix or None)
    return parse(form, body, prefix=prefix)


def flag(name: str) -> bool:
    """A query parameter as a truth value."""
    return truth(name, request.args.get(name))


def truth(name: str, text: str | None) -> bool:
    """Read a truth value as OpenStack's clients write it; raises BadRequest."""
    lowered = (text or "").lower()
    if lowered in ("1", "t", "true", "on", "y", "yes"):
        return True
    if lowered in ("", "0", "f", "false", "off", "n", "no"):
        return False
    raise BadRequest(f"Query parameter {name!r} must be true or false.", field=name)


def limit() -> int:
    """How many items one page holds, at most 1000; raises BadRequest."""
    text = request.args.get("limit", "")
    if not text:
        return MAX_LIMIT
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("Query parameter 'limit' must be a whole number.", field="limit")
    return min(int(text[:9]), MAX_LIMIT)


def after_marker(rows: list[Row], key: Callable[[Row], str]) -> list[Row]:
    """The rows behind the one that the marker names, or all; raises BadRequest for no such row."""
    marker = request.args.get("marker")
    if not marker:
        return rows
    keys = [key(row) for row in rows]
    if marker not in keys:
        raise BadRequest(f"The marker {marker[:80]!r} could not be found.", field="marker")
    return rows[keys.index(marker) + 1 :]


def empty(status: int) -> Response:
    """An answer without a body."""
    return Response(status=status, content_type="application/json")


def render_error(error: WebcloudError, rid: str) -> Response:
    """``{"itemNotFound": {"code": 404, "message": ...}}``, with ``field`` where one is at fault."""
    message = error.full_message
    if error.status == 405:
        message = f"This cloud does not offer {request.method} on {request.path[:200]}."
    fault: dict[str, Any] = {"code": error.status, "message": message}
    if error.field:
        fault["field"] = error.field
    return jsonify({ERROR_NAMES.get(error.status, "computeFault"): fault})
