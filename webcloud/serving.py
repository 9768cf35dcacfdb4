"""``webcloud web``: gunicorn with threads, and the conductor in the same process.

One worker, because the in-process lock on SQLite and the rooms of Socket.IO
live in it; every open page, agent and request holds a thread.  The
application is loaded in the worker only, so the master stays small.  Nothing
is loaded before the fork.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from gunicorn.app.base import BaseApplication

from webcloud.config import Config

log = logging.getLogger("webcloud")


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn told by ``settings`` instead of by its command line."""

    def __init__(self, config: Config, bind: str) -> None:
        self._config = config
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        for name, value in settings(self._config, self._bind).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from webcloud.stopping import RequestCounter
        from wsgi import app

        return RequestCounter(app)


def settings(config: Config, bind: str) -> dict[str, Any]:
    """gunicorn's settings, by its own names."""
    return {
        "bind": bind,
        "proc_name": "webcloud",
        "worker_class": "webcloud.patience.PatientWorker",
        "workers": 1,
        "threads": config.threads,
        "worker_connections": max(8000, config.threads * 2),
        "backlog": 1024,
        "keepalive": 75,
        "timeout": 60,
        "graceful_timeout": 5,
        "control_socket_disable": True,
        "accesslog": "-",
        # The path without its query string: tokens must never reach a log.
        "access_log_format": '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms',
        "loglevel": config.log_level.lower(),
        "post_worker_init": _worker_started,
        "worker_exit": _worker_ended,
    }


def main(config: Config, fd: int | None = None) -> None:
    """Serve until SIGTERM; on the already open socket ``fd`` when one is given."""
    Server(config, f"fd://{fd}" if fd is not None else config.listen).run()


def _worker_started(worker: Any) -> None:
    """Start what lives beside the requests: hints between processes, and the conductor."""
    from webcloud.conductor import signals
    from webcloud.conductor.runner import Conductor
    from webcloud.live.socket import socketio
    from webcloud.stopping import end_quickly
    from wsgi import app

    logging.basicConfig(
        level=worker.cfg.loglevel.upper(),
        format="[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s",
    )
    # The manager would otherwise listen only once this process has a client,
    # and hints from other controllers would be lost until then.
    if socketio.server is not None and not socketio.server.manager_initialized:
        socketio.server.manager_initialized = True
        socketio.server.manager.initialize()
    edge = app.extensions["webcloud"]
    signals.on_change(_operation_changed)
    conductor = Conductor(edge.database, edge.config.conductor_workers)
    conductor.start()
    app.extensions["webcloud_conductor"] = conductor
    end_quickly(worker, worker.wsgi, conductor)


def _operation_changed(snapshot: dict[str, Any]) -> None:
    """Tell browsers to look again at what the operation is about."""
    from webcloud.live import publish

    publish.changed_now(snapshot["subject_type"], snapshot["subject_id"], snapshot["project_id"])


def _worker_ended(_server: Any, worker: Any) -> None:
    """Leave at once: threads of open connections would hold the process for its timeout."""
    logging.shutdown()
    if worker.wsgi is not None:
        os._exit(0)
