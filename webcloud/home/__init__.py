"""The start of the dashboard: where ``/`` leads, the rail's pages, the command palette.

Read navigation (which pages there are and who may see them), then dashboard.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the start page, the palette and what the frame of every page shows."""
    from webcloud.home import dashboard, navigation

    app.register_blueprint(dashboard.blueprint)
    app.context_processor(navigation.frame)
