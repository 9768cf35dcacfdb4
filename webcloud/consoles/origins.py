"""Which web pages may open a console: the Origin check.

A browser lets any page open a WebSocket to any server, cookies included, so
the Origin is compared whole.  A missing one is refused.  Forwarding headers
are not looked at: anybody can send them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from webcloud.config import Config
from webcloud.errors import Forbidden
from webcloud.words import say

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """The origin of a URL, as browsers write it (RFC 6454, 6.1)."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    name = f"[{host}]" if ":" in host else host
    if parts.port in (None, DEFAULT_PORTS.get(scheme)):
        return f"{scheme}://{name}"
    return f"{scheme}://{name}:{parts.port}"


def expected_origin(config: Config, request: Request) -> str:
    """The one origin that may; without a configured address, the one that was called."""
    if config.public_url == f"http://{config.listen}":
        return f"http://{request.headers.get('Host', '')}"
    return origin_of(config.public_url)


def check_origin(config: Config, request: Request) -> None:
    """Raises Forbidden unless the request comes from this cloud's own pages."""
    wanted = expected_origin(config, request)
    if request.headers.get("Origin", "") != wanted or wanted == "http://":
        raise Forbidden(
            "Consoles open only from this cloud's own pages.",
            next_step=say("Open the dashboard at {wanted}.", wanted=wanted),
        )
