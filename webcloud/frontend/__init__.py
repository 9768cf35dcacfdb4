"""What every page stands on: languages, assets, words for time and size, error pages.

Pages are rendered on the server in the reader's language (``languages``),
with assets built by npm and found by name (``assets``) and a few filters and
globals (``formats``).  Errors become pages or fragments in ``error_pages``.
It knows no domain and no identity; who the caller is it only reads from ``g``.
"""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    """Install languages, assets, filters, compression and the pages for errors."""
    from webcloud.frontend import assets, error_pages, formats, languages

    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    languages.init_app(app)
    assets.init_app(app)
    formats.init_app(app)
    error_pages.init_app(app)
