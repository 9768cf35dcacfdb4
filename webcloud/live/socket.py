"""The Socket.IO server: who may connect, and which rooms they hear.

Browsers use the namespace ``/live`` with their session cookie; agents use
``/agents`` with their credential.  Both checks are handed in by create_app(),
because this package knows no identity.  Nothing is accepted from a client
but the connection itself and the mark of the page that opened it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, g, request
from flask_socketio import ConnectionRefusedError, Namespace, SocketIO, join_room

from webcloud.errors import Unavailable
from webcloud.live import pings
from webcloud.live.recent import Recent
from webcloud.live.strangers import Strangers

log = logging.getLogger(__name__)

# Anonymous peers can send frames before they are refused; this bounds what
# the server buffers for one of them, in bytes.
MAX_MESSAGE = 64 * 1024
# An agent's answer to a ping is how its host is heard while it has nothing to say.
# It may be a second late, as all are sent together, and is written down two later.
PING_SECONDS = 8

socketio = SocketIO()
strangers = Strangers()
recent = Recent()
pinger = pings.Pinger()


def asked_again_later(connect: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """While nobody can be looked up everybody is refused, and tries again by itself."""

    @functools.wraps(connect)
    def guarded(self: Any, auth: Any = None) -> bool:
        try:
            return connect(self, auth)
        except Unavailable as error:
            log.warning("a live connection was refused for now: %s", error)
            raise ConnectionRefusedError(error.code) from error

    return guarded


class LiveNamespace(Namespace):
    """Browsers: one room per project they are in, and one for operators."""

    def __init__(self, rooms_of_visitor: Callable[[], list[str] | None]) -> None:
        super().__init__("/live")
        self._rooms = rooms_of_visitor

    @asked_again_later
    def on_connect(self, auth: Any = None) -> bool:
        rooms = self._rooms()
        if rooms is None:
            return False
        strangers.is_known(request.environ)
        for room in rooms:
            join_room(room)
        drawn = auth.get("drawn") if isinstance(auth, dict) else None
        if isinstance(drawn, str):
            self._catch_up(drawn, rooms)
        return True

    def _catch_up(self, drawn: str, rooms: list[str]) -> None:
        """Tell the page what changed since it began to be drawn."""
        missed = recent.since(drawn, rooms)
        sid = request.sid  # type: ignore[attr-defined]
        if missed is None:
            self.emit("look", room=sid)
            return
        for hint in missed:
            self.emit("changed", hint, room=sid)


class AgentNamespace(Namespace):
    """Agents: one room per host, which is heard with each ping that it answers."""

    def __init__(
        self,
        host_of: Callable[[Any], str | None],
        on_presence: Callable[[str], None],
    ) -> None:
        super().__init__("/agents")
        self._host_of = host_of
        self._presence = on_presence

    @asked_again_later
    def on_connect(self, auth: Any = None) -> bool:
        host_id = self._host_of(auth)
        if host_id is None:
            return False
        strangers.is_known(request.environ)
        join_room(f"host:{host_id}")
        self._presence(host_id)
        pings.listen(socketio.server.eio, request.environ, lambda: self._presence(host_id), pinger)
        return True


def init_app(
    app: Flask,
    *,
    message_queue: str,
    rooms_of_visitor: Callable[[], list[str] | None],
    host_of: Callable[[Any], str | None],
    on_presence: Callable[[str], None],
) -> None:
    """Attach the server to the application."""
    socketio.init_app(
        app,
        async_mode="threading",
        transports=["websocket"],
        ping_interval=PING_SECONDS,
        ping_timeout=10,
        manage_session=False,
        max_http_buffer_size=MAX_MESSAGE,
        message_queue=message_queue or None,
        cors_allowed_origins=[],
        namespaces=["/live", "/agents"],
        engineio_logger=False,
        logger=False,
    )
    strangers.share_of(app.extensions["webcloud"].config.threads)
    strangers.watch(socketio.server.eio)
    app.before_request(_take_mark)
    app.jinja_env.globals["live_mark"] = lambda: g.get("live_mark", "")
    socketio.on_namespace(LiveNamespace(rooms_of_visitor))
    socketio.on_namespace(AgentNamespace(host_of, on_presence))


def _take_mark() -> None:
    """Before anything is read: what changes while the page is drawn is told on connecting."""
    g.live_mark = recent.mark()
