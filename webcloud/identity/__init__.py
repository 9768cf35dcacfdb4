"""Identity: who may come in, as whom, into which project, and how much it may use.

Terms: a *user* has *roles* (admin, member, reader; each includes the next) in
*projects*; a *token* is an API login, a *session* a browser's, a *login link*
a way in that works once, an *application credential* a script's secret with
at most its maker's roles.  A *permission* is a name in the closed table that
every route declares.  Invariants: secrets are stored as hashes only; who a
caller is comes from rows, never from a body, query or header; pages accept
cookies only and the APIs tokens only; usage never passes a quota.

Read in this order: models, permissions, callers, authentication, sessions,
tokens, lifetimes, login, service, quotas, then dashboard and the api package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

SWEEP_SECONDS = 300.0


def register(app: Flask) -> None:
    """Routes, CSRF protection, the login counter and the sweep of what has expired."""
    from webcloud.conductor import signals
    from webcloud.conductor.registry import register_periodic
    from webcloud.identity import api, csrf, dashboard, expiry, lifetimes
    from webcloud.identity.models import BrowserSession, LoginLink, Token
    from webcloud.identity.rate_limit import Attempts

    config = app.extensions["webcloud"].config
    app.extensions["webcloud_login_attempts"] = Attempts(config.login_attempts)
    csrf.init_app(app)
    app.register_blueprint(dashboard.blueprint)
    api.register(app)
    lifetimes.keep(Token.token_hash, Token.expires_at, Token.issued_at)
    lifetimes.keep(
        BrowserSession.session_hash, BrowserSession.expires_at, BrowserSession.created_at
    )
    lifetimes.keep(LoginLink.link_hash, LoginLink.expires_at)
    signals.on_jumping(lifetimes.clock_jumps)
    register_periodic("identity.expiry", SWEEP_SECONDS, expiry.sweep)
