"""Who is calling: a session cookie for pages, ``X-Auth-Token`` for the APIs.

The two never mix: below an API prefix cookies are not looked at, elsewhere
tokens are not.  No other header, and nothing in a body or a query, says who
the caller is.  Every lookup is a short read of its own, ended before the
request's transaction begins.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import request

from webcloud.errors import LoginNeeded, Unauthorized
from webcloud.identity import permissions, sessions, tokens
from webcloud.identity.callers import Caller
from webcloud.identity.permissions import Who
from webcloud.web import database, edge, request_id
from webcloud.words import mark

API_PREFIXES = ("/identity", "/compute", "/image", "/network", "/volume")


def authorize(permission: str) -> Caller | None:
    """The caller of this request, who has the permission.

    None for anonymous visitors of public routes and for agents, whose
    credential ``webcloud.hosts`` checks.  Raises Unauthorized (LoginNeeded
    for a page) or Forbidden.
    """
    needed = permissions.who(permission)
    if needed is Who.AGENT:
        return None
    if needed is Who.PUBLIC:
        return None if is_api_path() else visitor()
    caller = token_bearer() if is_api_path() else visitor()
    if caller is None:
        raise _nobody()
    permissions.check(needed, caller)
    return caller


def visitor() -> Caller | None:
    """Whose browser this is, if it is logged in. Anonymous visitors cost no query."""
    cookie = sessions.presented()
    if cookie is None:
        return None
    with database().reading() as session:
        return sessions.caller_of(session, cookie, request_id())


def token_bearer() -> Caller | None:
    """Whose API token this request carries, if it is a good one."""
    secret = request.headers.get("X-Auth-Token", "")
    if not secret:
        return None
    with database().reading() as session:
        return tokens.caller_of(session, secret, request_id())


def live_rooms() -> list[str] | None:
    """The rooms a browser's live connection may hear; None refuses it.

    A WebSocket is not bound by the same-origin rule, so the Origin is checked here.
    """
    if not is_same_origin():
        return None
    caller = visitor()
    if caller is None or not caller.project_id:
        return None
    rooms = [f"project:{caller.project_id}"]
    return [*rooms, "operators"] if caller.is_admin else rooms


def is_api_path() -> bool:
    """Whether the address called is below one of the API prefixes."""
    return any(
        request.path == prefix or request.path.startswith(f"{prefix}/") for prefix in API_PREFIXES
    )


def is_same_origin() -> bool:
    """Whether the request's Origin, if it has one, is this cloud's own."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    if origin == "null":
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https"):
        return False
    return parts.netloc in (request.host, urlsplit(edge().config.public_url).netloc)


def _nobody() -> Unauthorized:
    """Pages are sent to the login page; everything else gets a plain 401."""
    if is_api_path():
        return Unauthorized(
            "The request carries no valid token.",
            next_step="Get one from POST /identity/v3/auth/tokens and send it as X-Auth-Token.",
        )
    wants_page = "text/html" in request.headers.get("Accept", "")
    if request.method == "GET" and wants_page and "HX-Request" not in request.headers:
        wanted = request.full_path.rstrip("?")
        return LoginNeeded(f"/login?{urlencode({'next': wanted})}" if wanted != "/" else "/login")
    return Unauthorized(mark("You are not logged in."), next_step=mark("Log in at /login."))
