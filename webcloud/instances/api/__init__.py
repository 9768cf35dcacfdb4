"""The compute API: Nova's v2.1 over the services of this domain.

``dialect`` holds what all routes share, ``versions`` the public documents;
every other module is one part of Nova's API reference.  Nothing here decides
anything: requests become forms, forms go to services, rows become answers.
"""

from __future__ import annotations

from flask import Flask

from webcloud.instances.api import (
    absent,
    actions,
    aggregates,
    details,
    dialect,
    flavors,
    hosts,
    instance_actions,
    keypairs,
    limits,
    server_groups,
    servers,
    services,
    versions,
    zones,
)
from webcloud.web import add_dialect

__all__ = [
    "absent",
    "actions",
    "aggregates",
    "details",
    "flavors",
    "hosts",
    "instance_actions",
    "keypairs",
    "limits",
    "register",
    "server_groups",
    "servers",
    "services",
    "zones",
]


def register(app: Flask) -> None:
    """Add the routes and Nova's way of telling errors."""
    app.register_blueprint(versions.root)
    app.register_blueprint(dialect.bp)
    add_dialect(app, dialect.PREFIX, dialect.render_error)
