"""Puts the application together: the list of domains, top to bottom.

Kept apart from the package's ``__init__`` so that the command line and the
proxy can import ``webcloud`` without loading a web framework.
"""

from __future__ import annotations

import functools

from flask import Flask

from webcloud import (
    activity,
    admin,
    consoles,
    frontend,
    healthz,
    home,
    hosts,
    identity,
    images,
    instances,
    live,
    models,
    networks,
    openapi,
    web,
)
from webcloud.config import Config
from webcloud.db import Database
from webcloud.live import socket as live_socket

DOMAINS = (
    *(identity, hosts, networks, images, instances, consoles),
    *(home, activity, admin, healthz, openapi),
)

__all__ = ["build", "live", "models"]


def build(config: Config | None = None) -> Flask:
    """A Flask application on the configured database."""
    from webcloud.hosts import presence
    from webcloud.identity import authentication, permissions

    settings = (config or Config.from_environment()).with_defaults_filled()
    app = Flask("webcloud")
    app.config["MAX_FORM_PARTS"] = 1000
    database = Database(settings.database_url)
    web.init_app(app, web.Edge(settings, database, authentication.authorize))
    frontend.init_app(app)
    for domain in DOMAINS:
        domain.register(app)
    permissions.check_routes(app)
    live_socket.init_app(
        app,
        message_queue=settings.message_queue,
        rooms_of_visitor=authentication.live_rooms,
        host_of=presence.host_of,
        on_presence=functools.partial(presence.heard, database),
    )
    return app
