"""The real application under the real gunicorn, without the conductor's threads.

Its database holds one user, one project and one instance that is running.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import websocket
from sqlalchemy.orm import Session

from tests.support import schemas
from webcloud.config import Config
from webcloud.consoles import service
from webcloud.db import Database, now
from webcloud.identity import sessions
from webcloud.identity.callers import Caller
from webcloud.identity.models import Project, RoleAssignment, User
from webcloud.instances.models import Instance

USER, PROJECT, INSTANCE = "user-1", "project-1", "instance-1"


def prepare(database: Database) -> None:
    """One user in one project with one running instance."""
    with database.transaction() as session:
        session.add(User(id=USER, name="ada", password_hash=None, created_at=now()))
        session.add(Project(id=PROJECT, name="lab", created_at=now()))
        session.flush()
        session.add(RoleAssignment(user_id=USER, project_id=PROJECT, role="member"))
        add_instance(session, INSTANCE)


def add_instance(session: Session, instance_id: str, project_id: str = PROJECT) -> None:
    session.add(
        Instance(
            id=instance_id,
            name="web-1",
            hostname="web-1",
            project_id=project_id,
            user_id=USER,
            image_id="image-1",
            flavor_id="tiny",
            flavor_name="tiny",
            vcpus=1,
            memory_mb=128,
            disk_gb=1,
            observed_power="running",
            boot=3,
            built=True,
            created_at=now(),
            updated_at=now(),
        )
    )


class ConsoleSite:
    """gunicorn on a free port; ``origin`` is where its pages are."""

    def __init__(self, root: Path, public_url: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        (root / "state" / "controller").mkdir(parents=True)
        self.config = Config(
            state_dir=root / "state",
            run_dir=root / "run",
            listen=f"127.0.0.1:{self.port}",
            public_url=public_url,
            database_url=schemas.chosen.with_tables(root / "state/controller/webcloud.sqlite"),
        ).with_defaults_filled()
        self.database = Database(self.config.database_url)
        prepare(self.database)
        self.origin = f"http://127.0.0.1:{self.port}"
        self.log = root / "web.log"
        self._environment = {
            **os.environ,
            "WEBCLOUD_STATE_DIR": str(self.config.state_dir),
            "WEBCLOUD_RUN_DIR": str(self.config.run_dir),
            "WEBCLOUD_DATABASE_URL": self.config.database_url,
            "WEBCLOUD_LISTEN": self.config.listen,
            "WEBCLOUD_PUBLIC_URL": public_url,
            "WEBCLOUD_LOG_LEVEL": "DEBUG",
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "100"]
        command += ["--worker-connections", "200", "--graceful-timeout", "5", "--bind"]
        command += [self.config.listen, "--no-control-socket", "--log-level", "debug"]
        command += ["--access-logfile", "-", "wsgi:app"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 20
        while self.get("/console")[0] != 200:
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9 of the master and its worker."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> ConsoleSite:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.database.engine.dispose()

    def log_in(self) -> str:
        """A browser's session cookie."""
        with self.database.transaction() as session:
            user = session.get(User, USER)
            assert user is not None
            return f"{sessions.COOKIE}={sessions.start(session, user, hours=1)}"

    def token(self, cookie: str | None = None, kind: str = "vnc") -> str:
        """A fresh token: the browser's with this cookie, else one made by the API."""
        with self.database.transaction() as session:
            caller = Caller(USER, "ada", PROJECT, "lab", frozenset({"member"}))
            if cookie is not None:
                value = cookie.split("=", 1)[1]
                found = sessions.caller_of(session, value, "req-test")
                assert found is not None
                caller = found
            instance = session.get(Instance, INSTANCE)
            assert instance is not None
            return service.open_console(session, caller, instance, kind)

    def change(self, **values: Any) -> None:
        """Set columns of the instance."""
        with self.database.transaction() as session:
            instance = session.get(Instance, INSTANCE)
            assert instance is not None
            for name, value in values.items():
                setattr(instance, name, value)

    def expire_tokens(self) -> None:
        from sqlalchemy import update

        from webcloud.consoles.models import ConsoleToken

        with self.database.transaction() as session:
            session.execute(update(ConsoleToken).values(expires_at=now() - timedelta(seconds=1)))

    def open(
        self, token: str, cookie: str = "", kind: str = "vnc", **options: Any
    ) -> websocket.WebSocket:
        """Connect as a browser on our own page would; raises for a refused handshake."""
        options.setdefault("origin", self.origin)
        options.setdefault("subprotocols", ["binary", f"webcloud.token.{token}"])
        client = websocket.WebSocket()
        client.connect(
            f"ws://127.0.0.1:{self.port}/console/{kind}{options.pop('query', '')}",
            cookie=cookie or None,
            timeout=5,
            **options,
        )
        return client

    def get(self, path: str, cookie: str = "") -> tuple[int, str, dict[str, str]]:
        return self._call(urllib.request.Request(self.origin + path), cookie)

    def ask_token(self, cookie: str, page: str, kind: str = "vnc", **headers: str) -> Any:
        """What the page's script does to get a fresh token: status and JSON."""
        csrf = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert csrf, page
        request = urllib.request.Request(
            f"{self.origin}/instances/{INSTANCE}/console-token",
            data=json.dumps({"kind": kind}).encode(),
            headers={
                "Content-Type": "application/json",
                "X-CSRFToken": csrf[1],
                "Origin": self.origin,
                **headers,
            },
        )
        status, body, _ = self._call(request, cookie)
        return status, json.loads(body)

    def _call(
        self, request: urllib.request.Request, cookie: str
    ) -> tuple[int, str, dict[str, str]]:
        request.add_header("Cookie", cookie)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)
        except OSError:
            return 0, "", {}
