"""The pages of key pairs: list, import, generate, delete.

A generated private key is in the answer to the one request that made it and
is stored nowhere; the page has it saved to a file at once.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from webcloud.db import current
from webcloud.errors import BadRequest, WebcloudError
from webcloud.frontend.languages import said_error
from webcloud.identity.callers import current_caller
from webcloud.instances import key_pairs
from webcloud.instances.fields import printable
from webcloud.web import require

blueprint = Blueprint("key_pairs_pages", __name__, url_prefix="/key-pairs")


@blueprint.get("")
@require("keypairs:read")
def index() -> str:
    """The caller's key pairs."""
    return _page()


@blueprint.post("")
@require("keypairs:write")
def import_one() -> BaseResponse:
    """Store a pasted public key."""
    name, key = request.form.get("name", "").strip(), request.form.get("public_key", "")
    try:
        key_pairs.import_key_pair(current(), current_caller(), _named(name), key)
    except WebcloudError as error:
        current().rollback()
        return make_response(_page(error, name=name, public_key=key), error.status)
    return redirect(url_for(".index"), 303)


@blueprint.post("/generate")
@require("keypairs:write")
def generate() -> Response:
    """A fresh pair; the page (or the create form's part) shows the private half once."""
    fragment = "HX-Request" in request.headers
    name = request.form.get("new_key_name" if fragment else "name", "").strip()
    caller = current_caller()
    try:
        _pair, private = key_pairs.create_key_pair(current(), caller, _named(name))
    except WebcloudError as error:
        current().rollback()
        if fragment:
            return make_response(_part({"new_key_name": said_error(error)}, name), 200)
        return make_response(_page(error, name=name), error.status)
    if fragment:
        return make_response(_part({}, name, private))
    return make_response(_page(None, made=name, private_key=private))


@blueprint.post("/<name>/delete")
@require("keypairs:write")
def delete(name: str) -> BaseResponse:
    """Forget one; instances keep the key they were made with."""
    key_pairs.delete_key_pair(current(), current_caller(), name)
    return redirect(url_for(".index"), 303)


def _named(name: str) -> str:
    """Raises BadRequest for what cannot be the name of a key pair."""
    if not name:
        raise BadRequest(gettext("Give the key a name."), field="name")
    if len(name) > 255 or not printable(name) or "/" in name:
        raise BadRequest(
            gettext("A name has up to 255 visible characters and no slash."), field="name"
        )
    return name


def _page(
    error: WebcloudError | None = None,
    *,
    name: str = "",
    public_key: str = "",
    made: str = "",
    private_key: str = "",
) -> str:
    return render_template(
        "key_pairs/index.html",
        key_pairs=key_pairs.list_key_pairs(current(), current_caller()),
        error=error,
        name=name,
        public_key=public_key,
        made=made,
        private_key=private_key,
    )


def _part(errors: dict[str, str], name: str, private_key: str = "") -> str:
    """The access part of the create form, with the new key chosen."""
    values = {"key_mode": "generate", "new_key_name": name, "key_name": ""}
    if private_key:
        values = {"key_mode": "existing", "key_name": name, "new_key_name": ""}
    return render_template(
        "instances/_access.html",
        key_pairs=key_pairs.list_key_pairs(current(), current_caller()),
        values=values,
        errors=errors,
        private_key=private_key,
        made=name,
    )
