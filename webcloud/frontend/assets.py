"""Static files: built by ``npm run build``, found by name, served compressed.

Built files carry a hash of their contents in their names, so browsers keep
them for ever; ``manifest.json`` maps a plain name to the built one.  They are
answered by WhiteNoise before Flask is asked, from the .gz beside each file.
HTML is compressed by Flask-Compress.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from flask import Flask, current_app
from flask_compress import Compress
from markupsafe import Markup, escape
from whitenoise import WhiteNoise

log = logging.getLogger(__name__)

PREFIX = "static/vendor/"
HASHED = r"-[A-Z0-9]{8}\."
SMALLEST = 1000  # Bytes; below this, compressing makes an answer longer.


def init_app(app: Flask) -> None:
    """Serve the built files and compress pages."""
    vendor = Path(app.root_path) / "static" / "vendor"
    app.extensions["webcloud_assets"] = _manifest(vendor)
    app.config.update(
        COMPRESS_ALGORITHM=["gzip"],
        COMPRESS_MIMETYPES=["text/html", "application/json"],
        COMPRESS_MIN_SIZE=SMALLEST,
        COMPRESS_STREAMS=False,
    )
    Compress(app)
    if vendor.is_dir():
        app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
            app.wsgi_app,
            root=str(vendor),
            prefix=PREFIX,
            allow_all_origins=False,
            immutable_file_test=HASHED,
            add_headers_function=_headers,
        )
    app.jinja_env.globals.update(asset=asset, icon=icon)


def asset(name: str) -> str:
    """The address of a built file, e.g. ``asset('app.js')``."""
    built = current_app.extensions["webcloud_assets"].get(name, name)
    return f"/{PREFIX}{built}"


def icon(name: str, extra: str = "") -> Markup:
    """A decorative icon from the sprite; the words beside it carry the meaning."""
    classes = f"icon icon-{name} {extra}".strip()
    return Markup(  # noqa: S704 - every value is escaped
        f'<svg class="{escape(classes)}" aria-hidden="true" focusable="false">'
        f'<use href="{escape(asset("icons.svg"))}#{escape(name)}"></use></svg>'
    )


def _manifest(vendor: Path) -> dict[str, str]:
    try:
        names: dict[str, str] = json.loads((vendor / "manifest.json").read_text())
    except FileNotFoundError:
        log.warning("the dashboard's assets are not built; run `npm ci && npm run build`")
        return {}
    return names


def _headers(headers: dict[str, str], _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
