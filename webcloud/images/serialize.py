"""Images in the shapes of the image API v2 (api-ref "Image data and metadata")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webcloud.images.models import Image


def image(row: Image) -> dict[str, Any]:
    """One image; its properties stand beside the fixed members, as the API has it."""
    properties = {key: value for key, value in row.properties.items() if key != "tags"}
    return {
        **properties,
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "visibility": row.visibility,
        "owner": row.project_id,
        "disk_format": row.disk_format,
        "container_format": row.container_format,
        "size": row.size,
        "virtual_size": row.virtual_size,
        "min_disk": row.min_disk_gb,
        "min_ram": row.min_memory_mb,
        "protected": row.protected,
        "os_hidden": row.hidden,
        "checksum": None,
        "os_hash_algo": "sha512" if row.sha512 else None,
        "os_hash_value": row.sha512,
        "tags": row.properties.get("tags", []),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "self": f"/v2/images/{row.id}",
        "file": f"/v2/images/{row.id}/file",
        "schema": "/v2/schemas/image",
        "locations": [],
        "webcloud_stage": row.stage,
        "webcloud_fault": row.fault,
        "webcloud_received": row.received,
    }


def stamp(moment: datetime) -> str:
    """UTC with a Z, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
