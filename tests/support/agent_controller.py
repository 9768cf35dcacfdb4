"""A controller's edge for agents: a real HTTP and Socket.IO server in one thread.

It speaks the agents' API and keeps everything it was told; it knows nothing
of a cloud.  Tests queue commands, wait for reports, and may make it refuse,
vanish and come back on the same port.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from flask_socketio import SocketIO
from werkzeug.serving import BaseWSGIServer, make_server

from agents.compute.states import power_after
from agents.wire.codec import decode, encode
from agents.wire.commands import Command, verb_of
from agents.wire.reports import DomainStates, Inventory, Report, SurveyReport

HOST_ID, SECRET, TOKEN = "7d0c4ed6-6d3f-4f5c-9d55-000000000001", "s3cret", "join-me"


class AgentController:
    """``with AgentController() as controller:`` serves until the block ends."""

    def __init__(self) -> None:
        self.commands: dict[str, Command] = {}
        self.reports: list[Report] = []
        self.inventories: list[Inventory] = []
        self.domains: list[DomainStates] = []
        self._powers: dict[str, str] = {}
        self.surveys: list[SurveyReport] = []
        self.images: dict[str, bytes] = {}
        self.image_requests: list[str | None] = []
        self.cut_image_after: int | None = None
        self.transfers: dict[str, bytearray] = {}
        self.transfer_requests: list[str] = []
        self.cut_transfer_after: list[int] = []
        self.lose_answers = 0
        self.full = False
        self.unwanted: set[str] = set()
        self.hangs_at = ""  # the last word of a path whose answer never ends
        self.accepts_credential = True
        self.joins = 0
        self.polls = 0
        self.hint_clients: set[str] = set()
        self._changed = threading.Condition()
        self._server: BaseWSGIServer | None = None
        self.port = 0
        self._app = self._make_app()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> AgentController:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._app, threaded=True)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection, as a killed process would."""
        if self._server is not None:
            for client in list(self.hint_clients):
                self._socketio.server.disconnect(client, namespace="/agents")
            self._server.shutdown()
            self._server.server_close()

    def ask(self, payload: Any, subject: str, generation: int = 1, hint: bool = True) -> str:
        """Queue a command; returns its id."""
        command = Command(str(uuid.uuid4()), verb_of(payload), subject, generation, encode(payload))
        return self.queue(command, hint)

    def queue(self, command: Command, hint: bool = True) -> str:
        self.commands[command.id] = command
        if hint:
            self.hint()
        return command.id

    def hint(self) -> None:
        self._socketio.emit("work", namespace="/agents")

    def answer(self, command_id: str, seconds: float = 20) -> Report:
        """The final report of a command."""
        return self.wait_for(
            lambda: next(
                (
                    item
                    for item in self.reports
                    if item.command_id == command_id and item.status != "running"
                ),
                None,
            ),
            seconds,
        )

    def do(self, payload: Any, subject: str, generation: int = 1, seconds: float = 20) -> Report:
        return self.answer(self.ask(payload, subject, generation), seconds)

    def wait_for(self, found: Any, seconds: float = 10) -> Any:
        """The first true value of ``found()``; an assertion fails when time runs out."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := found()):
                left = deadline - time.monotonic()
                assert left > 0, "the agent did not do this in time"
                self._changed.wait(min(left, 0.2))
        return value

    def power_of(self, instance_id: str) -> str | None:
        """What was told last of it, by a report or by itself; ``gone`` when undefined."""
        return self._powers.get(instance_id)

    def _take_states(self, states: DomainStates) -> None:
        if states.sequence > max((item.sequence for item in self.domains), default=0):
            self._powers |= {state.instance_id: state.power for state in states.domains}
            self._powers |= dict.fromkeys(states.gone, "gone")
        self.domains.append(states)

    def _take_report(self, report: Report) -> None:
        command = self.commands.pop(report.command_id, None)
        power = power_after(command, report) if command is not None else None
        if command is not None and power is not None:
            self._powers[command.subject_id] = "gone" if power == "absent" else power

    def _endless(self) -> Iterator[bytes]:
        """A byte now and then, so that no time-out of a read ends it."""
        while self.hangs_at:
            yield b" "
            time.sleep(0.1)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _make_app(self) -> Flask:
        app = Flask("agent-controller")
        self._socketio = SocketIO(app, async_mode="threading", cors_allowed_origins=None)

        @self._socketio.on("connect", namespace="/agents")
        def connect(auth: Any) -> bool:
            self.hint_clients.add(request.sid)  # type: ignore[attr-defined]
            self._tell()
            return self.accepts_credential and auth == {"host_id": HOST_ID, "secret": SECRET}

        @self._socketio.on("disconnect", namespace="/agents")
        def disconnect(*_: Any) -> None:
            self.hint_clients.discard(request.sid)  # type: ignore[attr-defined]

        @app.before_request
        def check() -> None:
            if request.path == "/agents/v1/join":
                return
            if (
                not self.accepts_credential
                or request.headers.get("Authorization") != f"Bearer {HOST_ID}.{SECRET}"
            ):
                self._tell()
                abort(401)

        @app.before_request
        def hang() -> Response | None:
            if not self.hangs_at or not request.path.endswith(self.hangs_at):
                return None
            answer = Response(self._endless())
            answer.headers["Content-Length"] = "1000000"
            return answer

        @app.post("/agents/v1/join")
        def join() -> Any:
            assert request.json is not None
            if request.json["token"] != TOKEN:
                abort(403)
            self.joins += 1
            return jsonify(host_id=HOST_ID, secret=SECRET), 201

        @app.get("/agents/v1/commands")
        def commands() -> Any:
            self.polls += 1
            self._tell()
            return jsonify(commands=[encode(item) for item in list(self.commands.values())])

        @app.post("/agents/v1/reports")
        def reports() -> Any:
            assert request.json is not None
            told = [decode(Report, item) for item in request.json["reports"]]
            if any(item.command_id in self.unwanted for item in told):
                abort(409)
            for item in told:
                if item.status != "running":
                    self._take_report(item)
            self.reports += told
            self._tell()
            return jsonify()

        @app.put("/agents/v1/inventory")
        def inventory() -> Any:
            self.inventories.append(decode(Inventory, request.json))
            self._tell()
            return jsonify()

        @app.post("/agents/v1/domains")
        def domains() -> Any:
            self._take_states(decode(DomainStates, request.json))
            self._tell()
            return jsonify()

        @app.put("/agents/v1/survey")
        def survey() -> Any:
            self.surveys.append(decode(SurveyReport, request.json))
            self._tell()
            return jsonify()

        @app.get("/agents/v1/images/<image_id>")
        def image(image_id: str) -> Any:
            return self._image(image_id)

        @app.get("/agents/v1/transfers/<transfer_id>/received")
        def received(transfer_id: str) -> Any:
            return jsonify(received=len(self.transfers.get(transfer_id, b"")))

        @app.put("/agents/v1/transfers/<transfer_id>")
        def send(transfer_id: str) -> Any:
            return self._take(transfer_id)

        @app.get("/agents/v1/transfers/<transfer_id>")
        def transfer(transfer_id: str) -> Any:
            return self._give(transfer_id)

        return app

    def _take(self, transfer_id: str) -> Any:
        """Keep what was sent, or only the beginning of it, or all of it without a word."""
        span = request.headers["Content-Range"].removeprefix("bytes ")
        self.transfer_requests.append(span)
        if self.full:
            return "", 507
        here = self.transfers.setdefault(transfer_id, bytearray())
        if int(span.partition("-")[0]) != len(here):
            abort(409)
        body = request.get_data()
        cut = self.cut_transfer_after.pop(0) if self.cut_transfer_after else None
        here += body[:cut]
        if cut is not None:
            abort(500)
        if self.lose_answers:
            self.lose_answers -= 1
            abort(502)
        return jsonify(received=len(here))

    def _give(self, transfer_id: str) -> Any:
        wanted = request.headers.get("Range")
        self.transfer_requests.append(wanted or "")
        if transfer_id not in self.transfers:
            abort(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = bytes(self.transfers[transfer_id][start:])
        cut = self.cut_transfer_after.pop(0) if self.cut_transfer_after else len(body)
        answer = Response(iter([body[:cut]]), 206 if wanted else 200)
        answer.headers["Content-Length"] = str(len(body))
        return answer

    def _image(self, image_id: str) -> Response:
        wanted = request.headers.get("Range")
        self.image_requests.append(wanted)
        content = self.images.get(image_id)
        if content is None:
            abort(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = content[start:]
        sent = body
        if self.cut_image_after is not None:
            sent = body[: self.cut_image_after]
            self.cut_image_after = None
        answer = Response(iter([sent]), 206 if wanted else 200)
        answer.headers["Content-Length"] = str(len(body))
        return answer
