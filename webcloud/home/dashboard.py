"""The start page, and the objects that the command palette finds."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.home.navigation import may, navigation
from webcloud.identity.callers import current_caller
from webcloud.instances import queries as instances
from webcloud.web import require

blueprint = Blueprint("home", __name__)

SHOWN = 8


@blueprint.get("/")
@require("login")
def start() -> BaseResponse:
    """People come for their instances."""
    return redirect(url_for("instances_pages.index"), 303)


@blueprint.get("/palette")
@require("instances:read")
def palette() -> Response:
    """``{"items": [{"name", "kind", "href"}]}``: pages, then instances, matching ``q``."""
    wanted = request.args.get("q", "").strip()[:255]
    items = [
        {"name": page.words, "kind": group.words, "href": page.href}
        for group in navigation()
        for page in group.pages
        if wanted.casefold() in page.words.casefold()
    ]
    create = gettext("Create instance")
    if may("instances:write") and wanted.casefold() in create.casefold():
        items.insert(0, {"name": create, "kind": "", "href": url_for("instances_create.new")})
    rows, _total = instances.search(
        current(), current_caller(), name=wanted, sort="updated_at", limit=SHOWN
    )
    items += [
        {
            "name": row.name,
            "kind": gettext("Instance"),
            "href": url_for("instances_pages.show", instance_id=row.id),
        }
        for row in rows
    ]
    return jsonify({"items": items})
