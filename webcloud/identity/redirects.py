"""Where a browser may be sent after a form: only to pages of this application.

The target must be a relative path that one of our own GET routes answers;
anything else becomes the start page, so an open redirect cannot be built.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import current_app
from werkzeug.exceptions import HTTPException

from webcloud.identity.authentication import API_PREFIXES

START = "/"
LONGEST = 2000
ELSEWHERE = (*API_PREFIXES, "/agents", "/static", "/login", "/logout", "/session")


def safe_target(wanted: str | None) -> str:
    """The wanted path with its query if it is a page of ours, else the start page."""
    if not wanted or len(wanted) > LONGEST or not wanted.isascii() or not wanted.isprintable():
        return START
    if not wanted.startswith("/") or "\\" in wanted or wanted.startswith("//"):
        return START
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return START
    if parts.scheme or parts.netloc or any(_below(parts.path, one) for one in ELSEWHERE):
        return START
    try:
        current_app.url_map.bind("localhost").match(parts.path, method="GET")
    except HTTPException:
        return START
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
