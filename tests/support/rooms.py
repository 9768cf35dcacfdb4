"""An empty database with every table, and rows that most tests need."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from agents.wire import WIRE_VERSION
from tests.support import schemas
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Host
from webcloud.identity.models import Project


def fresh_database(folder: Path) -> Database:
    """A new database with the schema of today; a file in ``folder`` when it is SQLite."""
    return Database(schemas.chosen.with_tables(folder / "test.sqlite"))


def add_project(session: Session, name: str = "acme") -> Project:
    project = Project(id=new_id(), name=name, created_at=now())
    session.add(project)
    session.flush()
    return project


def add_host(session: Session, name: str = "n1", **columns: object) -> Host:
    """A live host with 4 CPUs, 8 GiB of memory and 100 GiB of disk."""
    values: dict[str, object] = {
        "id": new_id(),
        "name": name,
        "host_uuid": new_id(),
        "credential_hash": "0" * 64,
        "joined_at": now(),
        "last_seen_at": now(),
        "vcpus": 4,
        "memory_mb": 8192,
        "disk_total": 100 * 1024**3,
        "wire_version": WIRE_VERSION,
        "hypervisor": "qemu",
    }
    values |= columns
    host = Host(**{"disk_free": values["disk_total"], **values})
    session.add(host)
    session.flush()
    return host
