"""The OpenAPI document, made from the routes and the forms they parse.

A view says what it does with ``documented``; everything else (address,
method, permission) is read from the application, so the document cannot name
a route that does not exist.  Only API routes are described: pages are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import Blueprint, Flask, Response, current_app, jsonify
from pydantic import BaseModel
from werkzeug.routing import Rule

from webcloud.version import __version__
from webcloud.web import edge, require

View = TypeVar("View", bound=Callable[..., Any])

API_PREFIXES = ("/identity", "/compute", "/image", "/network", "/volume")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

bp = Blueprint("openapi", __name__)


@dataclass(frozen=True)
class Documentation:
    """What a view says about itself."""

    summary: str
    body: type[BaseModel] | None = None
    status: int = 200
    answer: str = ""
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    media_type: str = "application/json"


def documented(
    summary: str,
    *,
    body: type[BaseModel] | None = None,
    status: int = 200,
    answer: str = "",
    query: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    media_type: str = "application/json",
) -> Callable[[View], View]:
    """Describe a route: one line, the form of its body, its status, its query parameters.

    ``answer`` says in words what comes back; ``headers`` are those besides the
    token's that it heeds; ``media_type`` is the body's.  Put it below ``require``.
    """

    def decorate(view: View) -> View:
        said = Documentation(summary, body, status, answer, query, headers, media_type)
        view.webcloud_documentation = said  # type: ignore[attr-defined]
        return view

    return decorate


def register(app: Flask) -> None:
    """Serve the document at /openapi.json."""
    app.register_blueprint(bp)


@bp.get("/openapi.json")
@require("public", transaction=False)
@documented("This document.")
def show() -> Response:
    return jsonify(document(current_app._get_current_object(), edge().config.public_url))  # type: ignore[attr-defined]


def document(app: Flask, server: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of the application's API routes."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if not is_api_route(rule):
            continue
        operations = paths.setdefault(_path(rule), {})
        view = app.view_functions[rule.endpoint]
        for method in METHODS:
            if method in (rule.methods or ()):
                operations.setdefault(method.lower(), _operation(rule, method, view, schemas))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "webcloud",
            "version": __version__,
            "description": "A private compute cloud that speaks OpenStack's APIs.",
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
        },
    }


ERROR: dict[str, Any] = {
    "description": "One member named after the kind of error, holding its code and message.",
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    },
}


def is_api_route(rule: Rule) -> bool:
    """Whether the rule belongs to the API and not to the dashboard."""
    return rule.rule == "/openapi.json" or any(
        rule.rule == prefix or rule.rule.startswith(prefix + "/") for prefix in API_PREFIXES
    )


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _operation(
    rule: Rule, method: str, view: Callable[..., Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    said = cast(
        Documentation,
        getattr(view, "webcloud_documentation", Documentation(_summary_of(view))),
    )
    permission = getattr(view, "webcloud_permission", "public")
    operation: dict[str, Any] = {
        "operationId": f"{rule.endpoint}.{method.lower()}{_suffix(rule)}",
        "summary": said.summary,
        "tags": [rule.rule.split("/")[1].removesuffix(".json")],
        "parameters": _parameters(rule, said),
        "security": [] if permission == "public" else [{"token": []}],
        "x-permission": permission,
        "responses": {
            str(said.status): {"description": said.answer or "Done as asked."},
            "default": {
                "description": "Refused; nothing was changed.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if said.body is not None and method not in ("GET", "DELETE"):
        operation["requestBody"] = {
            "required": True,
            "content": {said.media_type: {"schema": _schema(said.body, schemas)}},
        }
    return operation


def _suffix(rule: Rule) -> str:
    """Tells apart the addresses that one view answers."""
    return "".join("_" + re.sub(r"\W+", "_", part) for part in rule.rule.split("/") if part)


def _summary_of(view: Callable[..., Any]) -> str:
    return (view.__doc__ or view.__name__.replace("_", " ")).strip().splitlines()[0]


def _parameters(rule: Rule, said: Documentation) -> list[dict[str, Any]]:
    converters = rule._converters
    named = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {
                "type": "integer"
                if type(converters[name]).__name__ == "IntegerConverter"
                else "string"
            },
        }
        for name in sorted(rule.arguments)
    ]
    return named + [
        {"name": name, "in": place, "required": False, "schema": {"type": "string"}}
        for place, names in (("query", said.query), ("header", said.headers))
        for name in names
    ]


def _schema(form: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """A reference to the form's schema, which is put among the components with its parts."""
    made = form.model_json_schema(ref_template="#/components/schemas/{model}", by_alias=True)
    for name, part in made.pop("$defs", {}).items():
        schemas.setdefault(name, part)
    schemas.setdefault(form.__name__, made)
    return {"$ref": f"#/components/schemas/{form.__name__}"}
