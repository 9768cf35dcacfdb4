"""The pages and forms of logging in, logging out and choosing a project."""

from __future__ import annotations

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from sqlalchemy.orm import Session

from webcloud.db import current
from webcloud.errors import NotFound, RateLimited, Unauthorized, WebcloudError
from webcloud.identity import audit_trail, csrf, login, login_links, queries, sessions
from webcloud.identity.callers import current_caller
from webcloud.identity.forms import LinkForm, LoginForm, PreferencesForm, ProjectForm
from webcloud.identity.models import User
from webcloud.identity.rate_limit import address_key
from webcloud.identity.redirects import START, safe_target
from webcloud.web import database, edge, parse, require
from webcloud.words import mark

blueprint = Blueprint("identity", __name__)


@blueprint.get("/login")
@require("public")
def login_page() -> Response:
    """The login form; its script posts a login link's secret from the fragment."""
    target = safe_target(request.args.get("next"))
    if g.caller is not None:
        return _to(target)
    return _login_form(target)


@blueprint.post("/login")
@require("public", transaction=False)
def log_in() -> Response:
    """Name and password; a wrong one shows the form again with the reason."""
    form = parse(LoginForm, csrf.fields())
    target = safe_target(form.next)
    try:
        user = login.with_password(database(), form.password, name=form.name)
        with database().transaction() as session:
            secret = _start(session, user, "password")
    except WebcloudError as error:
        return _login_form(target, name=form.name, error=error)
    return _enter(secret, target)


@blueprint.post("/login/link")
@require("public", transaction=False)
def log_in_by_link() -> Response:
    """The secret of a login link, which works once."""
    form = parse(LinkForm, csrf.fields())
    target = safe_target(form.next)
    address = address_key(request.remote_addr)
    try:
        login.attempts().check(address)
        with database().transaction() as session:
            user = login_links.redeem(session, form.token)
            secret = _start(session, user, "link") if user else None
        if secret is None:
            login.attempts().failed(address)
            raise Unauthorized(
                mark("This login link has been used or is over ten minutes old."),
                next_step=mark("Ask for a new one, or log in with your password."),
            )
    except WebcloudError as error:
        return _login_form(target, error=error)
    return _enter(secret, target)


@blueprint.post("/logout")
@require("login")
def log_out() -> Response:
    """End this browser's session."""
    caller = current_caller()
    sessions.end(current(), caller.session_hash or "")
    whom = audit_trail.Subject("user", caller.user_id, caller.user_name)
    audit_trail.record(current(), caller, "user.logout", whom, project_id=None)
    response = _to("/login")
    sessions.clear_cookie(response)
    csrf.renew()
    return response


@blueprint.post("/session/project")
@require("login")
def switch_project() -> Response:
    """Work in another project of the user's; the session gets a new id."""
    form = parse(ProjectForm, csrf.fields())
    caller = current_caller()
    if not queries.roles_of(current(), caller.user_id, form.project_id):
        raise NotFound("You have no such project.", field="project_id")
    secret = sessions.move(current(), caller.session_hash or "", form.project_id)
    if secret is None:
        raise Unauthorized("You are not logged in.", next_step="Log in at /login.")
    response = _to(safe_target(form.next))
    sessions.set_cookie(response, secret, edge().config.session_hours)
    return response


@blueprint.post("/session/preferences")
@require("login")
def set_preferences() -> Response:
    """Remember the user's language and theme."""
    form = parse(PreferencesForm, csrf.fields())
    user = queries.user(current(), current_caller().user_id)
    if form.language is not None:
        user.language = form.language
    if form.theme is not None:
        user.theme = form.theme
    if "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers:
        return _to(safe_target(form.next))
    return Response(status=204)


def _start(session: Session, user: User, method: str) -> str:
    secret = sessions.start(session, user, edge().config.session_hours)
    audit_trail.record_login(session, user, method)
    return secret


def _enter(secret: str, target: str) -> Response:
    response = _to(target)
    sessions.set_cookie(response, secret, edge().config.session_hours)
    csrf.renew()
    return response


def _login_form(target: str, *, name: str = "", error: WebcloudError | None = None) -> Response:
    page = render_template("identity/login.html", next=target, name=name, error=error)
    response = make_response(page, error.status if error else 200)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _to(target: str) -> Response:
    return make_response(redirect(target or START, 303))
