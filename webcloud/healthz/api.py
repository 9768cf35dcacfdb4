"""The route of ``/healthz``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify

from webcloud import web
from webcloud.healthz import parts
from webcloud.version import __version__

blueprint = Blueprint("healthz", __name__)


@blueprint.get("/healthz")
@web.require("public", transaction=False)
def show() -> Any:
    """``{"status": ok|degraded|failing, "version": …, "parts": {name: {"status": …}}}``."""
    found = {**parts.of_controller(), "hosts": parts.hosts(web.database())}
    needed = all(found[name]["status"] == "ok" for name in ("database", "conductor"))
    well = all(part["status"] == "ok" for part in found.values())
    status = "ok" if well else "degraded" if needed else "failing"
    answer = jsonify({"status": status, "version": __version__, "parts": found})
    answer.status_code = 200 if needed else 503
    return answer
