"""The edge of every web request: permission, session, commit, errors, headers.

``require`` is the one decorator every route carries.  It names the route's
permission, has the caller identified, opens the request's database session,
commits when the view returns and rolls back when it raises.  This module
knows no identity: how a permission is checked is handed in by create_app().
Errors are rendered once, in the dialect of the address that was called.
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from flask import Flask, Response, current_app, g, jsonify, make_response, redirect, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from webcloud import bodies
from webcloud.config import Config
from webcloud.db import Database, translated_errors
from webcloud.errors import (
    BadRequest,
    LoginNeeded,
    RateLimited,
    Unavailable,
    WebcloudError,
)
from webcloud.field_faults import said_of
from webcloud.words import say

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])
Renderer = Callable[[WebcloudError, str], Response]
Form = TypeVar("Form", bound=BaseModel)

READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class Edge:
    """What create_app() hands to this module."""

    config: Config
    database: Database
    authorize: Callable[[str], Any]  # permission -> Caller or None; raises typed errors
    dialects: list[tuple[str, Renderer]] = field(default_factory=list)
    render_page_error: Renderer | None = None


def edge() -> Edge:
    return cast(Edge, current_app.extensions["webcloud"])


def database() -> Database:
    """The database of the running application."""
    return edge().database


def require(permission: str, *, transaction: bool = True) -> Callable[[View], View]:
    """Declare a route's permission; see webcloud.identity.permissions for the names.

    With ``transaction=False`` no session is opened: the view manages its own
    (uploads and long waits must not hold the write lock).
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            g.caller = edge().authorize(permission)
            if not transaction:
                return view(*args, **kwargs)
            if request.method in READING:
                with database().reading() as session:
                    return _answer(session, view, args, kwargs)
            bodies.take_in()
            return _commit(view, args, kwargs)

        guarded.webcloud_permission = permission  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def _commit(view: Callable[..., Any], args: Any, kwargs: Any) -> Response:
    """Run a changing view in a write transaction; an answer of 400 or more rolls back."""
    try:
        with database().transaction() as session:
            response = _answer(session, view, args, kwargs)
            if response.status_code >= 400:
                raise _RolledBack(response)
    except _RolledBack as refused:
        return refused.response
    return response


class _RolledBack(Exception):
    """Carries a finished answer out of a transaction whose changes are dropped."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _answer(session: Session, view: Callable[..., Any], args: Any, kwargs: Any) -> Response:
    g.db_session = session
    try:
        return make_response(view(*args, **kwargs))
    finally:
        del g.db_session


def parse(form: type[Form], data: Any, *, prefix: str = "") -> Form:
    """Check decoded JSON or form fields against a closed schema.

    Raises BadRequest naming the first field at fault.
    """
    try:
        return form.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        name = f"{prefix}.{path}".strip(".") if prefix else path
        if first["type"] == "extra_forbidden":
            raise BadRequest(say("Unknown field {name!r}.", name=name), field=name) from error
        raise BadRequest(
            say("Field {name!r}: {problem}.", name=name, problem=said_of(first)), field=name
        ) from error


def json_body() -> Any:
    """The request's JSON; raises TooLarge or BadRequest. Depth and size are bounded."""
    return bodies.json()


def request_id() -> str:
    """The id of this request; users copy it, logs and the audit carry it."""
    if "request_id" not in g:
        g.request_id = f"req-{secrets.token_hex(16)}"
    return cast(str, g.request_id)


def add_dialect(app: Flask, prefix: str, renderer: Renderer) -> None:
    """Have errors below a path prefix rendered in that API's own shape."""
    cast(Edge, app.extensions["webcloud"]).dialects.append((prefix, renderer))


def init_app(app: Flask, the_edge: Edge) -> None:
    """Install error rendering and headers."""
    app.extensions["webcloud"] = the_edge
    bodies.init_app(app)
    app.register_error_handler(Exception, _on_error)
    app.after_request(_headers)


def _on_error(error: Exception) -> Response:
    known = _typed(error)
    if isinstance(known, LoginNeeded):
        return cast(Response, redirect(known.location))
    if known.status >= 500 and not isinstance(known, Unavailable):
        log.error("request %s failed", request_id(), exc_info=error)
    response = _renderer()(known, request_id())
    response.status_code = known.status
    if isinstance(known, RateLimited | Unavailable):
        response.headers["Retry-After"] = str(known.retry_after)
    return response


def _typed(error: Exception) -> WebcloudError:
    if isinstance(error, WebcloudError):
        return error
    if isinstance(error, HTTPException):
        typed = WebcloudError(error.description or "The request was refused.")
        typed.status = error.code or 500
        typed.code = (error.name or "error").lower().replace(" ", "_")
        return typed
    try:
        with translated_errors():
            raise error
    except WebcloudError as translated:
        return translated
    except Exception:
        return WebcloudError(
            "Something failed inside webcloud; nothing was changed.",
            next_step="Give the request id to your operator.",
        )


def _renderer() -> Renderer:
    for prefix, renderer in edge().dialects:
        if request.path == prefix or request.path.startswith(prefix + "/"):
            return renderer
    page = edge().render_page_error
    if page is not None and "text/html" in request.headers.get("Accept", ""):
        return page
    return render_json_error


def render_json_error(error: WebcloudError, rid: str) -> Response:
    """The plain shape, used where no API dialect asks for another."""
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "request_id": rid,
    }
    if error.field:
        body["field"] = error.field
    if error.next_step:
        body["next_step"] = error.next_step
    return jsonify({"error": body})


CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'"
)


def _headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    # With "no-referrer" browsers send forms with "Origin: null", which tells nothing.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if edge().config.public_url.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers["X-Openstack-Request-Id"] = request_id()
    if "Cache-Control" not in headers and not request.path.startswith("/static/"):
        headers["Cache-Control"] = "no-store"
    return response
