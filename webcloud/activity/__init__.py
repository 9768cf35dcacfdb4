"""Activity: the operations of a project, in progress and ended, as pages and as a drawer.

Everyone in a project sees what is going on in it, whoever began it; operators
may look at every project.  Read dashboard.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the pages and what the drawer of every page shows."""
    from webcloud.activity import dashboard

    app.register_blueprint(dashboard.blueprint)
    app.context_processor(lambda: {"latest_stories": dashboard.latest_stories})
