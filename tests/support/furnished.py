"""A cloud that can take instances: a host that answers, an image, a network, flavors.

Rows only; the image has no bytes.  For tests of what the APIs accept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from agents.wire import WIRE_VERSION
from webcloud.db import Database, new_id, now
from webcloud.hosts import presence
from webcloud.hosts.models import Host
from webcloud.identity import quotas
from webcloud.identity.queries import project_named
from webcloud.images.models import Image
from webcloud.instances import flavors
from webcloud.networks import service as networks

GIB = 1024**3


@dataclass(frozen=True)
class Furnished:
    """What was put there."""

    host_id: str
    image_id: str
    network_id: str


def furnish(database: Database) -> Furnished:
    """Put in one host (16 vCPUs, 16 GiB, 200 GiB), the image ``demo``, the default network."""
    with database.transaction() as session:
        home = project_named(session, "admin")
        assert home is not None
        flavors.ensure_defaults(session)
        network = networks.ensure_default(session, home.id, "10.77.0.0/24", "10.77.0.1")
        return Furnished(_host(session), _image(session, home.id), network.id)


def _host(session: Session) -> str:
    host = Host(
        id=new_id(),
        name="n1",
        host_uuid=new_id(),
        credential_hash="0" * 64,
        joined_at=now(),
        # As far ahead as is believed, so that it stays alive as long as the test runs.
        last_seen_at=now() + presence.SILENT_AFTER - timedelta(seconds=1),
        wire_version=WIRE_VERSION,
        hypervisor="qemu",
        architecture="x86_64",
        vcpus=16,
        memory_mb=16 * 1024,
        disk_total=200 * GIB,
        disk_free=150 * GIB,
        versions={"hypervisor": "7.2.1"},
    )
    session.add(host)
    return host.id


def _image(session: Session, project_id: str) -> str:
    image = Image(
        id=new_id(),
        name="demo",
        project_id=project_id,
        visibility="public",
        status="active",
        disk_format="qcow2",
        container_format="bare",
        size=1024,
        virtual_size=64 * 1024 * 1024,
        sha256="0" * 64,
        created_at=now(),
        updated_at=now(),
    )
    session.add(image)
    quotas.claim(session, project_id, {"images": 1, "image_gb": 1})
    return image.id
