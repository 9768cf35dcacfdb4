"""What crosses domains, for operators: pages of hosts and of health, verify, drift.

Read hosts_page, health, watching, verify.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the pages, and have what hosts send compared with the rows."""
    from webcloud.admin import aggregates_page, drain_page, health_page, hosts_page, watching
    from webcloud.hosts import observers

    observers.on_survey(watching.take_survey)
    observers.on_domain_states(watching.take_states)
    app.register_blueprint(hosts_page.blueprint)
    app.register_blueprint(drain_page.blueprint)
    app.register_blueprint(health_page.blueprint)
    app.register_blueprint(aggregates_page.blueprint)
