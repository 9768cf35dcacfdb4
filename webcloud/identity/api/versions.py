"""Discovery: which versions of the identity API there are. Public."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from webcloud.openapi import documented
from webcloud.web import edge, require

blueprint = Blueprint("identity_versions", __name__, url_prefix="/identity")


@blueprint.get("", strict_slashes=False)
@require("public")
@documented("The versions of this API.", status=300)
def versions() -> tuple[dict[str, Any], int]:
    return {"versions": {"values": [_version()]}}, 300


@blueprint.get("/v3", strict_slashes=False)
@require("public")
@documented("This version.")
def version() -> dict[str, Any]:
    return {"version": _version()}


def _version() -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{edge().config.public_url}/identity/v3/"}],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json",
            }
        ],
    }
