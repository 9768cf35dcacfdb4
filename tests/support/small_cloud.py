"""A whole cloud in one process that nothing moves but the test.

The application with its HTTP API on a database of its own, and hosts that are
real agents on libvirt's test driver (``stepped_host``).  No thread of a conductor
or an agent runs, so a test decides what happens next; ``verify`` is
``webcloud verify`` on the database, the image store and every host.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from flask import Flask

from tests.support.session_libvirtd import Hypervisors
from tests.support.stepped_host import SteppedHost
from webcloud import create_app
from webcloud.admin import verify
from webcloud.config import Config
from webcloud.db import Database
from webcloud.hosts import transfers
from webcloud.images import place
from webcloud.models import metadata

_built: list[Flask] = []


def _application(config: Config) -> Flask:
    """The application, put together once and then moved from one database to the next."""
    if not _built:
        _built.append(create_app(config))
        return _built[0]
    app = _built[0]
    app.extensions["webcloud"].config = config
    app.extensions["webcloud"].database = Database(config.database_url)
    place.configure(config)
    transfers.configure(config)
    return app


class SmallCloud:
    """``folder`` is empty; the database at ``url`` has every table and no row."""

    def __init__(self, folder: Path, url: str, hypervisors: Hypervisors) -> None:
        self.folder = folder
        (folder / "state" / "controller").mkdir(parents=True)
        self.config = Config(
            state_dir=folder / "state",
            run_dir=folder / "run",
            database_url=url,
            virt="test",
            import_allow_private=True,
        ).with_defaults_filled()
        self.app = _application(self.config)
        self.database: Database = self.app.extensions["webcloud"].database
        self.hosts: list[SteppedHost] = []
        self._hypervisors = hypervisors

    @property
    def host(self) -> SteppedHost:
        """The only host."""
        (host,) = self.hosts
        return host

    def add_host(self, name: str = "") -> SteppedHost:
        """One more host with a hypervisor of its own; it has joined and told its inventory."""
        number = len(self.hosts)
        host = SteppedHost(
            self.app,
            self.folder / f"host-{number}",
            self._hypervisors[number].uri,
            name or f"n{number + 1}",
        )
        self.hosts.append(host)
        return host

    def round(self) -> None:
        """Every host claims, works and reports once."""
        for host in self.hosts:
            host.round()

    def whereabouts(self) -> tuple[str, str]:
        """The database's address and the state directory, for another process."""
        url = self.database.engine.url.render_as_string(hide_password=False)
        return url, str(self.config.state_dir)

    def rows(self) -> dict[str, list[Any]]:
        """All that the database holds, table by table."""
        with self.database.reading() as session:
            return {
                table.name: [tuple(row) for row in session.execute(table.select())]
                for table in metadata.sorted_tables
            }

    def verify(self) -> None:
        """Fails the test with every line of ``webcloud verify``."""
        found = self.problems()
        assert not found, "\n".join(map(str, found))

    def problems(self) -> list[verify.Problem]:
        """What ``webcloud verify`` finds; hosts answer its surveys meanwhile."""
        answered = threading.Event()

        def answer() -> None:
            while not answered.is_set():
                self.round()
                answered.wait(0.002)

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        try:
            found = verify.run(self.database, self.config.image_dir, survey_timeout=10)
        finally:
            answered.set()
            answering.join()
        return found

    def close(self) -> None:
        """End the agents and the connections; remove the domains that are left."""
        for host in self.hosts:
            host.end()
        self.database.engine.dispose()
        self._hypervisors.clear()
