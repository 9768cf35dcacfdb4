"""Neutron's query language over finished bodies: filters, fields, sort, pages.

Any member of a body may be filtered on, repeated values mean "or".  A filter
on something that bodies do not have is refused, never ignored: an ignored
filter would answer with what was not asked for.
"""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MultiDict

from webcloud.errors import BadRequest

CONTROLS = frozenset({"fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"})
MAX_LIMIT = 1000


def select(
    bodies: list[dict[str, Any]], arguments: MultiDict[str, str], known: frozenset[str]
) -> list[dict[str, Any]]:
    """The bodies that the query asks for, cut to the fields it asks for.

    ``known`` names the members that may be filtered and sorted on.  Raises
    BadRequest naming the parameter at fault.
    """
    for name, wanted in arguments.lists():
        if name in CONTROLS:
            continue
        if name not in known:
            raise BadRequest(f"{name[:80]!r} is not something to filter on.", field=name[:80])
        bodies = [body for body in bodies if _matches(name, body[name], wanted)]
    bodies = _page(_sorted(bodies, arguments, known), arguments)
    fields = [name for name in arguments.getlist("fields") if name]
    if fields:
        return [{name: body[name] for name in fields if name in body} for body in bodies]
    return bodies


def _matches(name: str, value: Any, wanted: list[str]) -> bool:
    if name == "fixed_ips":
        # The shape is ip_address=10.0.0.3 or subnet_id=<id>.
        pairs = [text.partition("=") for text in wanted]
        return any(item.get(key) == asked for item in value for key, _, asked in pairs)
    if isinstance(value, bool):
        return str(value).lower() in [text.lower() for text in wanted]
    if isinstance(value, list):
        return any(text in value for text in wanted)
    return ("" if value is None else str(value)) in wanted


def _sorted(
    bodies: list[dict[str, Any]], arguments: MultiDict[str, str], known: frozenset[str]
) -> list[dict[str, Any]]:
    directions = arguments.getlist("sort_dir")
    keys = arguments.getlist("sort_key")
    for position, key in reversed(list(enumerate(keys))):
        if key not in known:
            raise BadRequest(f"{key[:80]!r} is not something to sort by.", field="sort_key")
        direction = directions[position] if position < len(directions) else "asc"
        if direction not in ("asc", "desc"):
            raise BadRequest("sort_dir must be asc or desc.", field="sort_dir")
        bodies = sorted(bodies, key=lambda body: str(body[key]), reverse=direction == "desc")
    return bodies


def _page(bodies: list[dict[str, Any]], arguments: MultiDict[str, str]) -> list[dict[str, Any]]:
    marker = arguments.get("marker")
    if marker:
        positions = [at for at, body in enumerate(bodies) if body["id"] == marker]
        if not positions:
            raise BadRequest(f"The marker {marker[:80]!r} is not in the list.", field="marker")
        bodies = bodies[positions[0] + 1 :]
    limit = arguments.get("limit")
    if not limit:
        return bodies
    if not (limit.isascii() and limit.isdigit()):
        raise BadRequest("limit must be a whole number.", field="limit")
    return bodies[: min(int(limit[:9]), MAX_LIMIT)]
