"""Takes in what a request carries, before anything is locked or looked up.

A body is bounded for every route but the two that take images, and is read
whole before a write transaction begins: who sends slowly must not hold the
database's lock.  JSON is plain UTF-8 without what no database can keep: NUL,
half of a surrogate pair, numbers that are none.  Nothing is repaired.
"""

from __future__ import annotations

import re
import sys
from typing import Any, NoReturn

from flask import Flask, current_app, g, request

from webcloud.errors import BadRequest, NotFound, TooLarge
from webcloud.words import say

MAX_JSON_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 32
# Forms and whatever else is sent; a little more, so that JSON gets its own words.
MAX_BODY_BYTES = 2 * MAX_JSON_BYTES
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def init_app(app: Flask) -> None:
    """Bound every body, and refuse addresses with a NUL in them."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.before_request(refuse_nul)


def refuse_nul() -> None:
    """Raises NotFound for a path, BadRequest for a query with a NUL: PostgreSQL knows none."""
    if "\0" in request.path:
        raise NotFound("There is nothing at this address.")
    for name, value in request.args.items(multi=True):
        if "\0" in name or "\0" in value:
            raise BadRequest("A query parameter holds a NUL character.", field=name[:80])


def unbounded() -> None:
    """Let this request's body be of any size; its view bounds it and opens no transaction."""
    # None would mean the application's bound again.
    request.max_content_length = sys.maxsize


def take_in() -> None:
    """Read the body now. Raises TooLarge, or BadRequest when the sender left."""
    if request.mimetype in FORMS:
        for name, value in request.form.items(multi=True):
            if "\0" in name or "\0" in value:
                raise BadRequest("A field holds a NUL character.", field=name[:80])
    elif (request.content_length or 0) <= MAX_JSON_BYTES:
        g.body = request.stream.read(MAX_JSON_BYTES + 1)


def json() -> Any:
    """The request's JSON; raises TooLarge or BadRequest. Depth and size are bounded."""
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise TooLarge(say("The request body is over {most} bytes.", most=MAX_JSON_BYTES))
    raw: bytes = g.body if "body" in g else request.stream.read(MAX_JSON_BYTES + 1)
    if len(raw) > MAX_JSON_BYTES:
        raise TooLarge(say("The request body is over {most} bytes.", most=MAX_JSON_BYTES))
    if _depth(raw) > MAX_JSON_DEPTH:
        raise BadRequest(
            say("The request body is nested more than {most} levels deep.", most=MAX_JSON_DEPTH)
        )
    try:
        parsed = current_app.json.loads(raw.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The request body is not valid JSON.") from error
    if b"\\u" in raw:
        _check_storable(parsed, "")
    return parsed


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _check_storable(value: Any, path: str) -> None:
    """Raises BadRequest naming the first text, keys included, that is not Unicode without NUL."""
    if isinstance(value, str):
        if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
            raise BadRequest(
                say("Field {path!r} holds a NUL character or half a surrogate pair.", path=path),
                field=path,
            )
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check_storable(item, f"{path}.{place}".strip("."))
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_storable(key, path)
            # A password is never kept as text; one with a NUL is simply a wrong one.
            kept = item.replace("\0", "") if key == "password" and isinstance(item, str) else item
            _check_storable(kept, f"{path}.{key}".strip("."))


def _depth(raw: bytes) -> int:
    """How deep brackets nest outside strings, without parsing the document."""
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', raw):
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif mark in (b"]", b"}"):
            depth -= 1
    return deepest
