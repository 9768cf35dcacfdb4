"""The image API v2 in Glance's dialect: what stock clients need of it.

Members, tasks, namespaces and several stores are not offered.  Uploads open
no transaction of their own here (see ``uploads``).
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Flask, Response, jsonify, make_response, request

from webcloud.bodies import unbounded
from webcloud.db import current
from webcloud.errors import BadRequest, Conflict
from webcloud.identity.callers import current_caller
from webcloud.images import files, listing, patching, queries, schemas, serialize, service, uploads
from webcloud.images.forms import ImportForm, NewImage, NewImport, split
from webcloud.openapi import documented
from webcloud.web import database, edge, json_body, parse, require

PREFIX = "/image"
CHUNK = 256 * 1024
METHODS_HEADER = "OpenStack-image-import-methods"

bp = Blueprint("image_api", __name__, url_prefix=PREFIX)


def register(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(bp)


@bp.get("", strict_slashes=False)
@bp.get("/versions", strict_slashes=False)
@require("public", transaction=False)
@documented("The versions of the image API.", status=300)
def versions() -> tuple[Response, int]:
    link = {"rel": "self", "href": f"{edge().config.public_url}{PREFIX}/v2/"}
    ids = ("v2.16", "v2.15", "v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
    found = [
        {"id": each, "status": "CURRENT" if each == ids[0] else "SUPPORTED", "links": [link]}
        for each in ids
    ]
    return jsonify({"versions": found}), 200 if request.path.endswith("versions") else 300


@bp.get("/v2/images")
@require("images:read")
@documented(
    "List images.",
    query=("name", "id", "status", "visibility", "owner", "os_hidden", "limit", "marker", "sort"),
)
def list_images() -> Response:
    asked = listing.page(request.args)
    images = queries.list_images(current(), current_caller(), listing.filters(request.args), asked)
    body = {
        "images": [serialize.image(image) for image in images],
        "first": "/v2/images",
        "schema": "/v2/schemas/images",
    }
    following = listing.next_link(images, asked, request.args)
    return jsonify({**body, "next": following} if following else body)


@bp.get("/v2/images/<image_id>")
@require("images:read")
@documented("Show an image.")
def show_image(image_id: str) -> Response:
    return jsonify(serialize.image(queries.get(current(), current_caller(), image_id)))


@bp.post("/v2/images")
@require("images:write")
@documented(
    "Create an image without bytes; free properties are allowed.", body=NewImage, status=201
)
def create_image() -> Response:
    image = service.create(current(), current_caller(), parse(NewImage, split(json_body())))
    answer = make_response(jsonify(serialize.image(image)), 201)
    answer.headers["Location"] = f"{edge().config.public_url}{PREFIX}/v2/images/{image.id}"
    answer.headers[METHODS_HEADER] = "web-download"
    return answer


@bp.patch("/v2/images/<image_id>")
@require("images:write")
@documented("Change an image by a JSON patch.", body=patching.Patch, media_type=patching.MEDIA_TYPE)
def update_image(image_id: str) -> Response:
    if request.mimetype not in patching.MEDIA_TYPES:
        raise BadRequest(f"The content type must be {patching.MEDIA_TYPE}.", field="Content-Type")
    image = queries.get_owned(current(), current_caller(), image_id)
    changes = patching.changes(image, json_body())
    service.update(current(), current_caller(), image, changes)
    return jsonify(serialize.image(image))


@bp.delete("/v2/images/<image_id>")
@require("images:write")
@documented("Delete an image.", status=204)
def delete_image(image_id: str) -> tuple[str, int]:
    image = queries.get_owned(current(), current_caller(), image_id)
    service.delete(current(), current_caller(), image)
    return "", 204


@bp.put("/v2/images/<image_id>/file")
@require("images:write", transaction=False)
@documented("Upload the image's bytes, in one go (application/octet-stream).", status=204)
def upload_file(image_id: str) -> tuple[str, int]:
    unbounded()
    if request.mimetype != "application/octet-stream":
        raise BadRequest("The content type must be application/octet-stream.", field="Content-Type")
    uploads.whole(database(), current_caller(), image_id, _chunks(), request.content_length)
    return "", 204


@bp.get("/v2/images/<image_id>/file")
@require("images:read")
@documented("Download the image's bytes; ranges are understood.")
def download_file(image_id: str) -> Response:
    image = queries.get(current(), current_caller(), image_id)
    if image.status == "queued":
        return make_response("", 204)
    if image.status != "active":
        raise Conflict(f"The image has no bytes to give: it is {image.status}.")
    return files.send(image)


@bp.post("/v2/images/<image_id>/import")
@require("images:write")
@documented("Have a queued image fetched from a web address.", body=ImportForm, status=202)
def import_image(image_id: str) -> tuple[str, int]:
    form = parse(ImportForm, json_body())
    image = queries.get_owned(current(), current_caller(), image_id)
    service.start_import(current(), current_caller(), image, NewImport(url=form.method.uri))
    return "", 202


@bp.get("/v2/info/import")
@require("images:read", transaction=False)
@documented("The ways in which an image can be imported.")
def import_methods() -> Response:
    described = {
        "description": "Import methods available.",
        "type": "array",
        "value": ["web-download"],
    }
    return jsonify({"import-methods": described})


@bp.get("/v2/schemas/<any(image, images):name>")
@require("images:read", transaction=False)
@documented("The JSON schema of an image or of a list of images.")
def schema(name: str) -> Response:
    return jsonify(schemas.IMAGE if name == "image" else schemas.IMAGES)


def _chunks() -> Iterator[bytes]:
    while chunk := request.stream.read(CHUNK):
        yield chunk
