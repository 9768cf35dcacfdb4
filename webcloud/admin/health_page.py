"""The page Health: everything that an operator should look at, live."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from webcloud.admin import health
from webcloud.db import current
from webcloud.healthz import parts
from webcloud.web import require
from webcloud.words import mark

blueprint = Blueprint("health_pages", __name__, url_prefix="/health")

PARTS = {
    "database": mark("Database"),
    "conductor": mark("Conductor"),
    "proxy": mark("Console proxy"),
}


@blueprint.get("")
@require("admin:read")
def index() -> str:
    """Differences, alarms, silent hosts and the state of each part."""
    found = parts.of_controller()
    template = "_health.html" if "HX-Request" in request.headers else "index.html"
    return render_template(
        f"health/{template}", health=health.read(current()), parts=found, part_words=PARTS
    )
