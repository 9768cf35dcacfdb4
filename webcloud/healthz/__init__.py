"""``GET /healthz``: whether each part of this installation is well.

For supervisors and load balancers: 200 while requests can be served (the
database answers and the conductor's threads live), 503 otherwise.  A silent
host or a missing proxy makes the status ``degraded``, not an error, because
everything else goes on.  Anybody may ask, so nothing is named: no host, no
address, no error text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def register(app: Flask) -> None:
    """The one route."""
    from webcloud.healthz import api

    app.register_blueprint(api.blueprint)
