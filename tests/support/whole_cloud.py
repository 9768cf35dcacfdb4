"""A whole cloud in one process on libvirt's test driver: application, agent, image.

The conductor is turned by hand or runs in threads, as the test likes.  The
agent is a real one, which talks to the application through a real socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flask import Flask

from tests.support.agent_host import AgentHost
from tests.support.boot_sector import BUTTON, disk
from tests.support.live_server import free_port, serving
from tests.support.people import PASSWORD, make_person
from tests.support.running_cloud import wait_until
from tests.support.stock_api import StockApi
from webcloud.config import Config
from webcloud.db import Database
from webcloud.hosts import enrolment
from webcloud.hosts.models import Host
from webcloud.identity import queries
from webcloud.images import place
from webcloud.instances import flavors
from webcloud.networks import service as networks


@dataclass
class WholeCloud:
    """``image_id`` is a bootable image of 1 MiB; ``api`` speaks as the operator."""

    app: Flask
    database: Database
    url: str
    api: StockApi
    image_id: str
    hosts: list[AgentHost]

    def add_host(self, name: str) -> AgentHost:
        """A host whose agent has been started in this process and has described itself."""
        with self.database.transaction() as session:
            token = enrolment.make_join_token(session, name)
        host = AgentHost(self.url, "test")
        self.hosts.append(host)
        host.config = replace(host.config, name=name)
        (host.base / "token").write_text(token)
        host.start_inside()
        wait_until(lambda: self._described(name), 30)
        return host

    def _described(self, name: str) -> bool:
        with self.database.reading() as session:
            return session.query(Host).filter(Host.name == name, Host.vcpus > 0).count() == 1


@contextmanager
def whole_cloud(app: Flask, config: Config) -> Iterator[WholeCloud]:
    """Served and furnished, without hosts yet; what the agents made is removed at the end."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database: Database = app.extensions["webcloud"].database
    with database.transaction() as session:
        home = queries.project_named(session, "admin")
        assert home is not None
        flavors.ensure_defaults(session)
        networks.ensure_default(session, home.id, "10.77.0.0/24", "10.77.0.1")
    make_person(app, "admin", "admin", "admin")
    place.configure(config)
    with serving(app, port):
        api = StockApi(url, PASSWORD)
        cloud = WholeCloud(app, database, url, api, api.upload("disk", disk(BUTTON)), [])
        try:
            yield cloud
        finally:
            for host in cloud.hosts:
                host.clean()
