"""Rows as a CSV file, as spreadsheets read them.

RFC 4180 with a byte order mark, without which spreadsheets take UTF-8 for
something else.  A text that a spreadsheet would calculate gets an apostrophe
before it, because names are what anybody in a project wrote.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

CALCULATED = ("=", "+", "-", "@", "\t", "\r")


def answer(name: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A download called ``name``; every row has as many values as there are heads."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heads)
    writer.writerows([_shown(value) for value in row] for row in rows)
    response = Response("\ufeff" + text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _shown(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(CALCULATED) else text
