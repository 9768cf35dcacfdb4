"""The envelope of every list of the identity API."""

from __future__ import annotations

from typing import Any

from flask import request

from webcloud.web import edge


def listed(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """``{name: rows, links}``; each row gets a link to itself."""
    base = f"{edge().config.public_url}{request.path}"
    for row in rows:
        row.setdefault("links", {"self": f"{base}/{row.get('id', '')}"})
    return {name: rows, "links": {"self": base, "next": None, "previous": None}}


def one(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """``{name: row}`` with a link to itself."""
    row.setdefault("links", {"self": f"{edge().config.public_url}{request.path}"})
    return {name: row}
