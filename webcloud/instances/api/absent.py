"""Collections that clients ask for and that are empty in this cloud."""

from __future__ import annotations

from flask import Response, jsonify

from webcloud.instances.api.dialect import bp
from webcloud.openapi import documented
from webcloud.web import require


@bp.get("/os-migrations")
@require("hosts:read")
@documented("Migrations: there are none.")
def list_migrations() -> Response:
    return jsonify({"migrations": []})


@bp.get("/extensions")
@require("instances:read")
@documented("API extensions: there are none.")
def list_extensions() -> Response:
    return jsonify({"extensions": []})
