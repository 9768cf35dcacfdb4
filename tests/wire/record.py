"""Records what an agent of this version and a controller say to each other.

    python -m tests.wire.record tests/wire/recorded

writes ``vN.json`` (the contract) and ``vN-session.json`` (every message, as it
crossed HTTP, of a real agent on libvirt's test driver that joins, takes an
instance from its creation to its deletion, and is surveyed).  Run it last
before WIRE_VERSION is raised; a recording is never made anew afterwards.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request

from agents.wire import WIRE_VERSION
from tests.support.agent_host import AgentHost
from tests.support.boot_sector import BUTTON, disk
from tests.support.live_server import free_port, serving
from tests.support.people import PASSWORD, make_person
from tests.support.stock_api import StockApi
from tests.wire.contract import contract
from webcloud import create_app
from webcloud.conductor.runner import Conductor
from webcloud.config import Config
from webcloud.db import Base, Database
from webcloud.hosts import enrolment
from webcloud.hosts.models import Host
from webcloud.identity.bootstrap import ensure_admin
from webcloud.images import place
from webcloud.instances import flavors
from webcloud.networks import service as networks

PREFIX = "/agents/v1/"


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="wire-") as root:
        messages = _session(Path(root))
    for name, content in (("", contract(WIRE_VERSION)), ("-session", messages)):
        path = folder / f"v{WIRE_VERSION}{name}.json"
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _session(root: Path) -> list[dict[str, Any]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    app = _application(root, url)
    database: Database = app.extensions["webcloud"].database
    messages = _listen(app)
    conductor = Conductor(database, 2)
    with serving(app, port):
        host = AgentHost(url, "test")
        try:
            _join(database, host)
            conductor.start()
            _use(app, database, StockApi(url, PASSWORD))
        finally:
            conductor.stop()
            host.clean()
    return messages


def _application(root: Path, url: str) -> Flask:
    (root / "state" / "controller").mkdir(parents=True)
    config = Config(
        state_dir=root / "state", run_dir=root / "run", virt="test", public_url=url
    ).with_defaults_filled()
    app = create_app(config)
    database: Database = app.extensions["webcloud"].database
    Base.metadata.create_all(database.engine)
    with database.transaction() as session:
        _, project = ensure_admin(session, PASSWORD)
        flavors.ensure_defaults(session)
        networks.ensure_default(session, project.id, "10.77.0.0/24", "10.77.0.1")
    make_person(app, "admin", "admin", "admin")
    place.configure(config)
    return app


def _listen(app: Flask) -> list[dict[str, Any]]:
    """The list into which every call of an agent is put, in the order of their answers."""
    messages: list[dict[str, Any]] = []
    lock = threading.Lock()

    @app.after_request
    def keep(response: Response) -> Response:
        if request.path.startswith(PREFIX):
            message = {
                "method": request.method,
                "path": request.path.removeprefix(PREFIX),
                "request": json.loads(g.body) if "body" in g else None,
                "status": response.status_code,
                "answer": response.get_json(silent=True),
            }
            with lock:
                if messages[-1:] != [message]:
                    messages.append(message)
        return response

    return messages


def _join(database: Database, host: AgentHost) -> None:
    with database.transaction() as session:
        token = enrolment.make_join_token(session, "host-1")
    (host.base / "token").write_text(token)
    host.start()
    _wait_for(lambda: _described(database))


def _described(database: Database) -> bool:
    with database.reading() as session:
        return session.query(Host).filter(Host.vcpus > 0).count() == 1


def _use(app: Flask, database: Database, api: StockApi) -> None:
    from webcloud.admin.verify import run

    server = api.create("recorded", api.upload("recorded", disk(BUTTON)), user_data="IyEvYmluL3No")
    api.wait(server, "ACTIVE")
    api.console_log(server)
    api.act(server, "os-stop")
    api.wait(server, "SHUTOFF")
    api.act(server, "os-start")
    api.wait(server, "ACTIVE")
    found = run(database, app.extensions["webcloud"].config.image_dir)
    assert not found, found
    api.delete(server)
    api.wait_gone(server)
    time.sleep(16)  # One full list of all domains, which are told every 15 s.


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the agent did not come"
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
