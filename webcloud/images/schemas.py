"""The JSON schemas that image clients may ask for (``/v2/schemas/image`` and ``images``)."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": ["null", "string"]}
_NUMBER = {"type": ["null", "integer"]}

IMAGE: dict[str, Any] = {
    "name": "image",
    "properties": {
        **dict.fromkeys(
            ("id", "name", "status", "owner", "checksum", "os_hash_algo", "os_hash_value"), _TEXT
        ),
        **dict.fromkeys(("created_at", "updated_at", "self", "file", "schema"), _TEXT),
        **dict.fromkeys(("size", "virtual_size", "min_disk", "min_ram"), _NUMBER),
        "disk_format": {"type": ["null", "string"], "enum": [None, "raw", "qcow2", "iso"]},
        "container_format": {"type": ["null", "string"], "enum": [None, "bare"]},
        "visibility": {"type": "string", "enum": ["private", "public"]},
        "protected": {"type": "boolean"},
        "os_hidden": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
        "locations": {"type": "array"},
    },
    "additionalProperties": {"type": "string"},
    "links": [
        {"href": "{self}", "rel": "self"},
        {"href": "{file}", "rel": "enclosure"},
        {"href": "{schema}", "rel": "describedby"},
    ],
}
IMAGES: dict[str, Any] = {
    "name": "images",
    "properties": {
        "images": {"type": "array", "items": IMAGE},
        "schema": {"type": "string"},
        "next": {"type": "string"},
        "first": {"type": "string"},
    },
    "links": [
        {"href": "{first}", "rel": "first"},
        {"href": "{next}", "rel": "next"},
        {"href": "{schema}", "rel": "describedby"},
    ],
}
