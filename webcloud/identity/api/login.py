"""Tokens: get one, look at one, end one; and what one may ask for with it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from webcloud.db import current
from webcloud.errors import BadRequest, NotFound
from webcloud.identity import queries, serialize, token_login, tokens
from webcloud.identity.api.envelopes import listed
from webcloud.identity.callers import current_caller
from webcloud.identity.catalog import catalog
from webcloud.identity.token_forms import AuthRequest
from webcloud.identity.tokens import Valid
from webcloud.openapi import documented
from webcloud.web import database, edge, json_body, parse, require

blueprint = Blueprint("identity_login", __name__, url_prefix="/identity/v3/auth")


@blueprint.post("/tokens")
@require("public", transaction=False)
@documented("Log in: a token in the header X-Subject-Token.", body=AuthRequest, status=201)
def create_token() -> Response:
    """Log in; see ``token_forms`` for the request."""
    form = parse(AuthRequest, json_body())
    config = edge().config
    secret = token_login.log_in(database(), form.auth, hours=config.token_hours)
    with database().reading() as session:
        valid = tokens.find(session, secret)
    if valid is None:
        raise NotFound("The token ended at the moment it was made.")
    return _shown(valid, secret, 201)


@blueprint.get("/tokens")
@require("login")
@documented(
    "Look at the token in X-Subject-Token: one's own, or any for an operator.", query=("nocatalog",)
)
def show_token() -> Response:
    """Look at a token: one's own, or any for an operator."""
    secret, valid = _subject()
    return _shown(valid, secret, 200)


@blueprint.delete("/tokens")
@require("login")
@documented("End the token in X-Subject-Token at once.", status=204)
def delete_token() -> tuple[str, int]:
    """End a token at once."""
    _, valid = _subject()
    tokens.revoke(current(), valid.token.token_hash)
    return "", 204


@blueprint.get("/projects")
@require("login")
@documented("The projects one can ask a token for.")
def my_projects() -> dict[str, Any]:
    """The projects one can ask a token for."""
    caller = current_caller()
    rows = queries.projects_of(current(), caller.user_id)
    return listed(
        "projects",
        [
            serialize.project(row)
            for row in rows
            if not caller.restricted or row.id == caller.project_id
        ],
    )


@blueprint.get("/domains")
@require("login")
@documented("The domains one can ask a token for: the one there is.")
def my_domains() -> dict[str, Any]:
    return listed("domains", [{**serialize.DOMAIN, "enabled": True}])


@blueprint.get("/catalog")
@require("login")
@documented("The catalog: services and their addresses.")
def my_catalog() -> dict[str, Any]:
    return listed("catalog", catalog(edge().config))


def _subject() -> tuple[str, Valid]:
    secret = request.headers.get("X-Subject-Token", "")
    if not secret:
        raise BadRequest("The header X-Subject-Token is missing.", field="X-Subject-Token")
    valid = tokens.find(current(), secret)
    caller = current_caller()
    if valid is None or not (caller.is_admin or valid.user.id == caller.user_id):
        raise NotFound("There is no such token.")
    return secret, valid


def _shown(valid: Valid, secret: str, status: int) -> Response:
    body = serialize.token(valid, edge().config, with_catalog="nocatalog" not in request.args)
    response = jsonify({"token": body})
    response.status_code = status
    response.headers["X-Subject-Token"] = secret
    response.headers["Vary"] = "X-Auth-Token"
    return response
