"""Errors as people read them: what happened, why, what to do next, and the request's id.

A whole page for a page, a fragment for htmx.  The fragment goes to the page's
messages, never in place of what was asked to change; a refetch that fails
changes nothing on the screen.
"""

from __future__ import annotations

from flask import Flask, Response, g, make_response, render_template, request
from flask_babel import gettext

from webcloud.errors import LoginNeeded, Unauthorized, Unavailable, WebcloudError
from webcloud.frontend.languages import said
from webcloud.web import READING, add_dialect, edge, render_json_error

# Pages below whose addresses a script asks too, and shows what it is told.
ASKED_BY_SCRIPTS = ("/images/uploads", "/instances")


def init_app(app: Flask) -> None:
    """Have the edge render errors of pages here."""
    app.extensions["webcloud"].render_page_error = render
    app.jinja_env.globals.update(error_title=title)
    for prefix in ASKED_BY_SCRIPTS:
        add_dialect(app, prefix, render_to_script)


def render(error: WebcloudError, request_id: str) -> Response:
    """The error as a page, or as a fragment for htmx."""
    if "HX-Request" in request.headers:
        response = make_response(
            render_template("components/fault.html", error=error, request_id=request_id)
        )
        reading = request.method in READING
        response.headers["HX-Reswap"] = "none" if reading else "innerHTML"
        if not reading:
            response.headers["HX-Retarget"] = "#messages"
        return response
    try:
        return _page(error, request_id, in_frame=g.get("caller") is not None)
    except Unavailable:
        # The frame names the caller's projects; the database has just gone away.
        return _page(error, request_id, in_frame=False)


def _page(error: WebcloudError, request_id: str, *, in_frame: bool) -> Response:
    page = render_template(
        "errors/error.html",
        error=error,
        request_id=request_id,
        in_frame=in_frame,
        login_url="/login" if isinstance(error, Unauthorized | LoginNeeded) else "",
        public_url=edge().config.public_url,
    )
    return make_response(page)


def render_to_script(error: WebcloudError, request_id: str) -> Response:
    """The error as JSON in the reader's language, unless a page was asked for."""
    if "text/html" in request.headers.get("Accept", ""):
        return render(error, request_id)
    next_step = said(error.next_step) if error.next_step else None
    told = WebcloudError(said(error.message), field=error.field, next_step=next_step)
    told.code = error.code
    return render_json_error(told, request_id)


def title(error: WebcloudError) -> str:
    """What happened, in a few words, by the kind of error; never from its text."""
    by_code = {
        "quota_exceeded": gettext("The project's quota does not allow it"),
        "no_capacity": gettext("No host has room for it"),
        "busy": gettext("Something else is under way there"),
    }
    by_status = {
        400: gettext("The input is not right"),
        401: gettext("You are not logged in"),
        403: gettext("You may not do this"),
        404: gettext("There is nothing here"),
        405: gettext("This address does not work that way"),
        409: gettext("It cannot be done right now"),
        413: gettext("That is too large"),
        429: gettext("Too many attempts"),
        503: gettext("A part of the cloud is not answering"),
    }
    fallback = gettext("Something failed inside webcloud")
    return str(by_code.get(error.code) or by_status.get(error.status) or fallback)
