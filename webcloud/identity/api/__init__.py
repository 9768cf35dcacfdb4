"""The identity API, in the dialect of OpenStack Identity v3, under ``/identity``.

``login`` makes and ends tokens, ``reading`` lists what there is, ``changing``
is for operators, ``credentials`` for application credentials; ``forms`` are
the closed schemas.  Errors are ``{"error": {"code", "title", "message"}}``.
Source: the Identity API v3 reference at docs.openstack.org/api-ref/identity/v3.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, jsonify

from webcloud.errors import WebcloudError
from webcloud.web import add_dialect

PREFIX = "/identity"


def register(app: Flask) -> None:
    """The routes and the error dialect."""
    from webcloud.identity.api import changing, credentials, login, members, reading, versions

    for module in (versions, login, reading, changing, members, credentials):
        app.register_blueprint(module.blueprint)
    add_dialect(app, PREFIX, render_error)


def render_error(error: WebcloudError, _request_id: str) -> Response:
    """Keystone's shape of an error; it has no place for the field but the message."""
    message = error.full_message
    if error.field and error.field not in message:
        message = f"{error.field}: {message}"
    body = {
        "code": error.status,
        "title": HTTPStatus(error.status).phrase,
        "message": message,
    }
    response = jsonify({"error": body})
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Keystone uri="/identity"'
    return response
