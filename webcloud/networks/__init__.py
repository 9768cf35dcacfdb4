"""Networks: where instances are plugged in.

Terms: a *network* is a layer-2 segment, a *subnet* its addresses, a *port*
one network card's place with its MAC and address.  Invariant: an address is
chosen in the transaction that creates what uses it, and a unique index
stands behind that.

Read in this order: models, addresses, service, queries, api.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the network API and its page."""
    from webcloud.networks import api, dashboard

    api.register(app)
    app.register_blueprint(dashboard.blueprint)
