"""How templates write times, durations, sizes and counts, in the reader's language."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from babel.numbers import format_decimal
from flask import Flask, request
from flask_babel import format_datetime, format_timedelta, get_locale, gettext
from markupsafe import Markup, escape

from webcloud.db import now

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def init_app(app: Flask) -> None:
    """Register the filters and globals."""
    app.jinja_env.filters.update(ago=ago, took=took, size=size, number=number, memory=memory)
    app.jinja_env.globals.update(link_with=link_with, once=once)


def ago(moment: datetime | None) -> Markup:
    """A time element: relative words, with the exact time on hover."""
    if moment is None:
        return Markup("–")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - now()
    if abs(delta.total_seconds()) < 1:
        words = gettext("just now")
    else:
        words = format_timedelta(delta, add_direction=True, threshold=1.2)
    exact = f"{format_datetime(aware, 'yyyy-MM-dd HH:mm:ss', rebase=False)} UTC"
    return Markup(  # noqa: S704 - every value is escaped
        f'<time datetime="{aware.isoformat()}" title="{escape(exact)}" '
        f'data-controller="local-time">{escape(words)}</time>'
    )


def took(seconds: float | None) -> str:
    """A duration: 12 ms, 0.4 s, 12 s, 3 min 5 s, 2 h 4 min."""
    if seconds is None:
        return ""
    if seconds < 0.1:
        return str(gettext("%(count)s ms", count=round(seconds * 1000)))
    if seconds < 10:
        return str(gettext("%(seconds)s s", seconds=number(round(seconds, 1))))
    whole = round(seconds)
    if whole < 60:
        return str(gettext("%(seconds)s s", seconds=number(whole)))
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return str(gettext("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=rest))
    hours, minutes = divmod(minutes, 60)
    return str(gettext("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes))


def size(count: int | None) -> str:
    """Bytes in the largest fitting unit of 1024."""
    if count is None:
        return "–"
    value = float(count)
    unit = 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value /= 1024
        unit += 1
    shown = round(value, 1) if value < 10 and unit else round(value)
    return f"{number(shown)} {UNITS[unit]}"


def memory(megabytes: int) -> str:
    """MiB of memory as people say it: 128 MB, 2 GB."""
    return size(megabytes * 1024 * 1024)


def number(value: float) -> str:
    """A number with the separators of the reader's language."""
    return format_decimal(value, locale=get_locale())


def once() -> str:
    """A fresh value for a form that must take effect once, however often it is sent."""
    return secrets.token_urlsafe(16)


def link_with(**changes: Any) -> str:
    """This page's address with some query parameters changed; None or "" removes one."""
    arguments = {key: value for key, value in request.args.items() if key not in changes}
    arguments.update({key: value for key, value in changes.items() if value not in (None, "")})
    query = urlencode(arguments)
    return f"{request.path}?{query}" if query else request.path
