"""Forms are accepted only from our own pages.

Every state-changing request of the dashboard must carry the token of the
visitor's signed form cookie, as field ``csrf_token`` or header
``X-CSRFToken``, and must not come from a foreign Origin.  The API prefixes
and the agents' addresses are left out because they accept no cookie.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Flask, request, session
from flask_wtf.csrf import CSRFProtect, generate_csrf, validate_csrf
from wtforms.validators import ValidationError

from webcloud.errors import Forbidden
from webcloud.identity import authentication, secret_key
from webcloud.web import READING
from webcloud.words import mark

FIELD = "csrf_token"
HEADER = "X-CSRFToken"
WITHOUT_COOKIES = ("/agents",)


def fields() -> dict[str, str]:
    """What was filled in on the form that was sent: all but its token."""
    return {key: value for key, value in request.form.items() if key != FIELD}


def init_app(app: Flask) -> None:
    """Sign the form cookie, offer ``csrf_token()`` to templates, check every POST."""
    config = app.extensions["webcloud"].config
    secure = config.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=secret_key.load(config.state_dir / "controller"),
        SESSION_COOKIE_NAME="__Host-webcloud_form" if secure else "webcloud_form",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=config.session_hours),
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
    )
    CSRFProtect(app)
    app.before_request(check)


def check() -> None:
    """Raises Forbidden for a state-changing request that none of our pages has made."""
    if request.method in READING or authentication.is_api_path() or _is_agents_path():
        return
    if not authentication.is_same_origin():
        raise Forbidden(
            mark("The form was sent from another site, not from this cloud's own address."),
            next_step=mark("Open this cloud at its own address and try again."),
        )
    token = request.headers.get(HEADER) or request.form.get(FIELD)
    try:
        validate_csrf(token)
    except ValidationError as error:
        raise Forbidden(
            mark("The form is stale or was not made by this cloud; nothing was changed."),
            next_step=mark("Reload the page and try again."),
        ) from error


def renew() -> str:
    """Forget the visitor's form token at login and logout; returns the new one."""
    session.clear()
    return str(generate_csrf())


def _is_agents_path() -> bool:
    return any(
        request.path == prefix or request.path.startswith(f"{prefix}/")
        for prefix in WITHOUT_COOKIES
    )
