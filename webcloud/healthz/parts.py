"""One question per part; each answers a small dictionary with ``status`` ok or failing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import text

from webcloud import web
from webcloud.conductor.runner import Conductor
from webcloud.db import Database, now
from webcloud.errors import WebcloudError
from webcloud.hosts import presence, queries
from webcloud.proxy import handover

Part = dict[str, Any]


def of_controller() -> dict[str, Part]:
    """The parts that run beside the application which serves this request, by name."""
    edge = web.edge()
    return {
        "database": database(edge.database),
        "conductor": conductor(current_app.extensions.get("webcloud_conductor")),
        "proxy": proxy(edge.config.proxy_socket),
    }


def database(the_database: Database) -> Part:
    """Whether it answers, and in how many milliseconds."""
    started = time.monotonic()
    try:
        with the_database.reading() as session:
            session.execute(text("SELECT 1"))
    except WebcloudError as error:
        return {"status": "failing", "why": error.code}
    return {"status": "ok", "milliseconds": round((time.monotonic() - started) * 1000, 1)}


def conductor(the_conductor: Conductor | None) -> Part:
    """Whether this process carries out operations."""
    if the_conductor is None:
        return {"status": "failing", "why": "not_started"}
    if not the_conductor.works():
        return {"status": "failing", "why": "threads_ended"}
    return {"status": "ok"}


def proxy(path: Path) -> Part:
    """Whether the console proxy answers, and how many consoles it holds."""
    try:
        receipt = handover.ping(path)
    except handover.ProxyDown:
        return {"status": "failing", "why": "no_answer"}
    return {"status": "ok", "consoles": receipt.consoles}


def hosts(the_database: Database) -> Part:
    """How many hosts there are, have told what they offer, and were heard lately."""
    try:
        with the_database.reading() as session:
            found = queries.list_hosts(session)
    except WebcloudError as error:
        return {"status": "failing", "why": error.code}
    alive = sum(presence.is_alive(host) for host in found)
    seen = [host.last_seen_at for host in found if host.last_seen_at is not None]
    quietest = round((now() - min(seen)).total_seconds(), 1) if seen else None
    well = bool(found) and alive == len(found)
    return {
        "status": "ok" if well else "failing",
        "enrolled": len(found),
        "described": sum(bool(host.architecture or host.hypervisor) for host in found),
        "alive": alive,
        "last_seen_seconds": quietest,
    }
