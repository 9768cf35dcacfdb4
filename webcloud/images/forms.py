"""What callers may say about an image, parsed once.

The image API mixes fixed members and free properties in one object;
``split`` parts them, refuses what only webcloud may set, and bounds the rest.
"""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from webcloud.errors import BadRequest, Forbidden
from webcloud.field_faults import wrong
from webcloud.words import say

READ_ONLY = frozenset(
    {
        *("status", "owner", "owner_id", "checksum", "size", "virtual_size", "self", "file"),
        *("created_at", "updated_at", "deleted_at", "deleted", "schema", "stores"),
        *("location", "locations", "direct_url", "os_hash_algo", "os_hash_value"),
        *("webcloud_stage", "webcloud_fault", "webcloud_received"),
    }
)
MOST_PROPERTIES = 128
LONGEST_VALUE = 4096
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,255}")


def _plain(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise wrong(say("control characters are not allowed"))
    return text


def _identifier(text: str) -> str:
    try:
        canonical = str(uuid.UUID(text))
    except ValueError:
        canonical = ""
    if canonical != text:
        raise wrong(say("an id is a UUID in lower case with dashes"))
    return text


Name = Annotated[str, Field(max_length=255), AfterValidator(_plain)]
Tag = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)]
DiskFormat = Literal["raw", "qcow2", "iso"]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewImage(_Form):
    """An image without bytes yet. Sizes: ``min_disk`` in GB, ``min_ram`` in MB."""

    name: Name | None = None
    id: Annotated[str, AfterValidator(_identifier)] | None = None
    disk_format: DiskFormat | None = None
    container_format: Literal["bare"] | None = None
    visibility: Literal["private", "public"] = "private"
    min_disk: int = Field(0, ge=0, le=1_000_000)
    min_ram: int = Field(0, ge=0, le=100_000_000)
    protected: bool = False
    os_hidden: bool = False
    tags: list[Tag] = Field(default_factory=list, max_length=128)
    properties: dict[str, str] = Field(default_factory=dict)


class Changes(_Form):
    """What to change; members that are not set stay as they are."""

    name: Name | None = None
    disk_format: DiskFormat | None = None
    container_format: Literal["bare"] | None = None
    visibility: Literal["private", "public"] = "private"
    min_disk: int = Field(0, ge=0, le=1_000_000)
    min_ram: int = Field(0, ge=0, le=100_000_000)
    protected: bool = False
    os_hidden: bool = False
    tags: list[Tag] = Field(default_factory=list, max_length=128)
    properties: dict[str, str] = Field(default_factory=dict)


class ImportMethod(_Form):
    """Fetch the image from a web address."""

    name: Literal["web-download"]
    uri: str = Field(max_length=2000)


class ImportForm(_Form):
    """The body of an import request."""

    method: ImportMethod


class NewImport(_Form):
    """An import as the dashboard and the catalogue start it; checksums in hex."""

    url: str = Field(max_length=2000)
    checksum: str = Field("", pattern=r"^([0-9a-fA-F]{64}|[0-9a-fA-F]{128})?$")
    checksum_url: str = Field("", max_length=2000)


def split(data: Any) -> dict[str, Any]:
    """Part an API body into fixed members and ``properties``.

    Raises Forbidden for an attribute that only webcloud sets, BadRequest for
    a property that is not text or too much.
    """
    if not isinstance(data, dict):
        raise BadRequest("The body must be a JSON object.")
    fixed: dict[str, Any] = {}
    properties: dict[str, str] = {}
    for key, value in data.items():
        if key in READ_ONLY:
            raise read_only(key)
        if key in NewImage.model_fields and key != "properties":
            fixed[key] = value
        else:
            properties[key] = value
    check_properties(properties)
    return {**fixed, "properties": properties}


def check_properties(properties: dict[str, Any]) -> None:
    """Raises BadRequest naming the property at fault."""
    if len(properties) > MOST_PROPERTIES:
        raise BadRequest(say("An image has at most {most} properties.", most=MOST_PROPERTIES))
    for key, value in properties.items():
        if not _KEY.fullmatch(key) or key.startswith("os_glance"):
            raise BadRequest(
                say("{key!r} cannot be the name of a property.", key=key[:80]), field=key[:80]
            )
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise BadRequest(
                say(
                    "The property {key!r} must be text of at most {most} letters.",
                    key=key,
                    most=LONGEST_VALUE,
                ),
                field=key,
            )


def read_only(key: str) -> Forbidden:
    return Forbidden(say("Attribute '{key}' is read-only.", key=key), field=key)
