"""JSON patches on images: RFC 6902's add, replace and remove on top-level members.

Media types ``application/openstack-images-v2.0-json-patch`` and ``…-v2.1-…``.
The result is an ordinary ``Changes`` form, so a patch can do nothing that a
form could not.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from webcloud.errors import BadRequest, Conflict
from webcloud.images.forms import READ_ONLY, Changes, check_properties, read_only
from webcloud.images.models import Image
from webcloud.web import parse

MEDIA_TYPE = "application/openstack-images-v2.1-json-patch"
MEDIA_TYPES = frozenset({MEDIA_TYPE, "application/openstack-images-v2.0-json-patch"})
MOST_CHANGES = 256
_FIXED = frozenset(Changes.model_fields) - {"properties"}
_EMPTY: dict[str, Any] = {
    "name": None,
    "tags": [],
    "min_disk": 0,
    "min_ram": 0,
    "protected": False,
    "os_hidden": False,
}


class Change(BaseModel):
    """One change of a patch; ``path`` is a slash and the attribute's name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    op: Literal["add", "replace", "remove"]
    path: str
    value: Any = None


class Patch(RootModel[list[Change]]):
    """A patch as it is documented; ``changes`` says more exactly what is wrong with one."""

    root: list[Change] = Field(max_length=MOST_CHANGES)


def changes(image: Image, patch: Any) -> Changes:
    """The form that a patch amounts to. Raises BadRequest, Forbidden, Conflict."""
    if not isinstance(patch, list) or len(patch) > MOST_CHANGES:
        raise BadRequest(f"A patch is a list of at most {MOST_CHANGES} changes.")
    fixed: dict[str, Any] = {}
    properties = {key: value for key, value in image.properties.items() if key != "tags"}
    before = dict(properties)
    for change in patch:
        verb, key, value = _parts(change)
        if key in READ_ONLY or key in ("id", "properties"):
            raise read_only(key)
        if key in _FIXED:
            fixed[key] = _fixed_value(verb, key, value)
        elif verb == "remove" or (verb == "replace" and key not in properties):
            if properties.pop(key, None) is None:
                raise Conflict(f"Property {key[:80]!r} does not exist.", field=key[:80])
        else:
            properties[key] = value
    if properties != before:
        check_properties(properties)
        fixed["properties"] = properties
    return parse(Changes, fixed)


def _fixed_value(verb: str, key: str, value: Any) -> Any:
    if verb != "remove":
        return value
    if key not in _EMPTY:
        raise BadRequest(f"Attribute {key!r} cannot be removed.", field=key)
    return _EMPTY[key]


def _parts(change: Any) -> tuple[str, str, Any]:
    if not isinstance(change, dict) or set(change) - {"op", "path", "value"}:
        raise BadRequest("Each change has the members op, path and, unless it removes, value.")
    verb, path = change.get("op"), change.get("path")
    if verb not in ("add", "replace", "remove"):
        raise BadRequest("op must be add, replace or remove.", field="op")
    if verb != "remove" and "value" not in change:
        raise BadRequest("The change has no value.", field="value")
    if not isinstance(path, str) or not path.startswith("/") or "/" in path[1:]:
        raise BadRequest("path must be a slash and one attribute's name.", field="path")
    key = path[1:].replace("~1", "/").replace("~0", "~")
    return verb, key, change.get("value")
