"""webcloud: a private compute cloud in one application.

``create_app()`` lists the domains; each registers its blueprints, operations
and reconcilers through the ``register(app)`` of its package.  Reading order
for a newcomer: instances/operations/create.py, then conductor, then hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from webcloud.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from webcloud.config import Config

__all__ = ["__version__", "create_app"]


def create_app(config: Config | None = None) -> Flask:
    """The web application, without the conductor's threads (see webcloud.serving)."""
    from webcloud.application import build

    return build(config)
