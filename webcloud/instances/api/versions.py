"""The version documents, which clients read before they have a token.

Source: "Versions" in the OpenStack compute API reference.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from webcloud.instances import microversion
from webcloud.instances.api.dialect import PREFIX, bp, public_base
from webcloud.openapi import documented
from webcloud.web import require

root = Blueprint("compute_versions", __name__, url_prefix=PREFIX)
MEDIA_TYPE = {
    "base": "application/json",
    "type": "application/vnd.openstack.compute+json;version=2.1",
}


@root.get("", strict_slashes=False)
@require("public", transaction=False)
@documented("The versions of the compute API.")
def list_versions() -> Response:
    return jsonify({"versions": [_version()]})


@bp.get("", strict_slashes=False)
@require("public", transaction=False)
@documented("Which microversions the compute API offers.")
def show_version() -> Response:
    return jsonify({"version": {**_version(), "media-types": [MEDIA_TYPE]}})


def _version() -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": microversion.text(microversion.NEWEST),
        "min_version": microversion.text(microversion.OLDEST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{public_base()}/"}],
    }
