"""Consoles: a guest's screen or serial line in the browser.

Terms: a *kind* is vnc or serial; a *token* is the right to open one instance's
console once, within 60 seconds, on the boot it was made for; a *hand-over*
gives the accepted socket to the proxy.  Invariants: a token is stored as a
hash and never in a URL that is sent to a server; one made in a browser works
in no other browser; nobody but the token's row says what is connected to.

Read in this order: models, service, origins, websocket, dashboard, api.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the pages, the compute API's call, the WebSocket and the sweeps."""
    from webcloud.conductor.registry import register_periodic
    from webcloud.consoles import api, dashboard, service, websocket
    from webcloud.consoles.models import ConsoleToken
    from webcloud.identity import lifetimes
    from webcloud.instances import leaving

    app.register_blueprint(dashboard.blueprint)
    api.register(app)
    app.register_blueprint(websocket.blueprint)
    lifetimes.keep(ConsoleToken.token_hash, ConsoleToken.expires_at)
    leaving.on_leaving(service.forget)
    register_periodic("consoles.sweep_tokens", 300, service.sweep)
