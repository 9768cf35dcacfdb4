"""The image API's query string for lists: filters, ``in:``, sort and pages.

An unknown parameter filters on the property of that name, as Glance does.
"""

from __future__ import annotations

from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from webcloud.errors import BadRequest
from webcloud.images.models import Image
from webcloud.images.queries import MOST, Filters, Page

_KNOWN = frozenset(
    {
        *("name", "id", "status", "visibility", "owner", "disk_format", "container_format"),
        *("protected", "os_hidden", "tag", "limit", "marker", "sort", "sort_key", "sort_dir"),
        *("member_status", "size_min", "size_max", "created_at", "updated_at"),
    }
)
DEFAULT_LIMIT = 100
MOST_IDS = 1000


def filters(arguments: MultiDict[str, str]) -> Filters:
    """Raises BadRequest naming the parameter at fault."""
    for name in ("size_min", "size_max", "created_at", "updated_at"):
        if name in arguments:
            raise BadRequest(f"Images cannot be filtered by {name}.", field=name)
    visibility = arguments.get("visibility")
    return Filters(
        name=arguments.get("name"),
        ids=_several(arguments.get("id"), "id"),
        statuses=_several(arguments.get("status"), "status"),
        visibility=None if visibility == "all" else visibility,
        owner=arguments.get("owner"),
        disk_format=arguments.get("disk_format"),
        protected=_flag(arguments, "protected"),
        hidden=bool(_flag(arguments, "os_hidden")),
        tags=tuple(arguments.getlist("tag")),
        properties=tuple((key, value) for key, value in arguments.items() if key not in _KNOWN),
    )


def page(arguments: MultiDict[str, str]) -> Page:
    """Raises BadRequest naming the parameter at fault."""
    raw = arguments.get("limit", str(DEFAULT_LIMIT))
    if not raw.isdecimal() or len(raw) > 9:
        raise BadRequest("limit must be a number.", field="limit")
    return Page(_sort(arguments), min(int(raw), MOST), arguments.get("marker"))


def next_link(images: list[Image], asked: Page, arguments: MultiDict[str, str]) -> str | None:
    """Where the next page is, when this one is full."""
    if not images or len(images) < asked.limit:
        return None
    kept = [(key, value) for key, value in arguments.items(multi=True) if key != "marker"]
    return f"/v2/images?{urlencode([*kept, ('marker', images[-1].id)])}"


def _sort(arguments: MultiDict[str, str]) -> tuple[tuple[str, str], ...]:
    if "sort" in arguments:
        parts = [item.partition(":") for item in arguments["sort"].split(",")]
        return tuple((key.strip(), direction.strip() or "desc") for key, _, direction in parts)
    keys = arguments.getlist("sort_key") or ["created_at"]
    directions = arguments.getlist("sort_dir") or ["desc"]
    if len(directions) not in (1, len(keys)):
        raise BadRequest("There must be one sort_dir, or one for each sort_key.", field="sort_dir")
    return tuple(
        (key, directions[place] if len(directions) > 1 else directions[0])
        for place, key in enumerate(keys)
    )


def _several(text: str | None, name: str) -> tuple[str, ...] | None:
    if text is None:
        return None
    values = text.removeprefix("in:").split(",") if text.startswith("in:") else [text]
    if len(values) > MOST_IDS:
        raise BadRequest(f"At most {MOST_IDS} values can be asked for.", field=name)
    return tuple(value.strip().strip('"') for value in values)


def _flag(arguments: MultiDict[str, str], name: str) -> bool | None:
    raw = arguments.get(name)
    if raw is None:
        return None
    if raw.lower() not in ("true", "false"):
        raise BadRequest(f"{name} must be true or false.", field=name)
    return raw.lower() == "true"
