"""Reads of hosts. Hosts belong to no project; routes that show them need hosts:read."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.errors import NotFound
from webcloud.hosts.models import Host
from webcloud.words import say


def list_hosts(session: Session) -> list[Host]:
    return list(session.scalars(select(Host).order_by(Host.name)))


def get(session: Session, host_id: str) -> Host:
    """Raises NotFound."""
    host = session.get(Host, host_id)
    if host is None:
        raise NotFound(say("No host has the id {host_id}.", host_id=host_id))
    return host


def names(session: Session) -> dict[str, str]:
    """Host id to name."""
    return {row.id: row.name for row in session.execute(select(Host.id, Host.name))}


def named(session: Session, name: str) -> Host | None:
    """The host of exactly this name, if there is one."""
    return session.scalar(select(Host).where(Host.name == name))


def image_copies(session: Session) -> tuple[Counter[str], int]:
    """On how many hosts that take instances each image is cached, and how many those are."""
    found = list(session.scalars(select(Host.cached_images).where(Host.enabled.is_(True))))
    return Counter(image_id for cached in found for image_id in set(cached)), len(found)
