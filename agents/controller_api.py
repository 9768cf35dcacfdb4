"""The controller's HTTP API as the agent sees it.

``http.client`` with one kept-alive connection per thread: the agent's memory
is a promise (a few dozen MB per host), and a fuller HTTP library would cost
more than everything else it loads.  Certificates are always verified.  The
secret goes into one header and into nothing else, least of all a log.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.wire.codec import encode
from agents.wire.reports import DomainStates, Inventory, Report, SurveyReport

TIMEOUT = 20.0
MOST_WORDS = 400  # characters of the controller's words that may reach the log


class Unreachable(Exception):
    """No answer, or none that makes sense: try again later."""


class Refused(Exception):
    """The controller answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Joined:
    """The host's own credential, and the name under which it was enrolled."""

    host_id: str
    secret: str
    name: str


class ControllerApi:
    """Calls raise Unreachable or Refused; ``authorize`` sets who is calling."""

    def __init__(self, base_url: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(base_url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._context = ssl.create_default_context(cafile=ca_file) if self._secure else None
        self._local = threading.local()
        self._authorization = ""

    def authorize(self, host_id: str, secret: str) -> None:
        self._authorization = f"Bearer {host_id}.{secret}"

    def join(self, token: str, name: str, host_uuid: str, wire_version: int) -> Joined:
        """Trade a join token for this host's own credential."""
        body = {
            "token": token,
            "name": name,
            "host_uuid": host_uuid,
            "wire_version": wire_version,
        }
        answer = self._call("POST", "/agents/v1/join", body)
        try:
            return Joined(str(answer["host_id"]), str(answer["secret"]), answer.get("name", name))
        except KeyError as error:
            raise Unreachable("the controller's answer to join lacks a credential") from error

    def commands(self) -> list[Any]:
        """Every unfinished command of this host, as decoded JSON."""
        listed = self._call("GET", "/agents/v1/commands").get("commands", [])
        return listed if isinstance(listed, list) else []

    def report(self, reports: list[Report]) -> None:
        self._call("POST", "/agents/v1/reports", {"reports": [encode(item) for item in reports]})

    def inventory(self, inventory: Inventory) -> None:
        self._call("PUT", "/agents/v1/inventory", encode(inventory))

    def domains(self, states: DomainStates) -> bool:
        """Whether the controller wants all domains told again soon."""
        return self._call("POST", "/agents/v1/domains", encode(states)).get("again", True) is True

    def survey(self, report: SurveyReport) -> None:
        self._call("PUT", "/agents/v1/survey", encode(report))

    def image(self, image_id: str, offset: int) -> tuple[http.client.HTTPResponse, bool]:
        """An open response with the image's bytes, and whether it starts at ``offset``."""
        return self._download(f"/agents/v1/images/{image_id}", offset)

    def transfer(self, transfer_id: str, offset: int) -> tuple[http.client.HTTPResponse, bool]:
        """The same with the bytes of a disk on its way to this host."""
        return self._download(f"/agents/v1/transfers/{transfer_id}", offset)

    def received(self, transfer_id: str) -> int:
        """How many bytes of a disk on its way the controller has."""
        return self._number(self._call("GET", f"/agents/v1/transfers/{transfer_id}/received"))

    def send(self, transfer_id: str, offset: int, data: bytes, whole: int) -> int:
        """Give it ``data``, which begins at ``offset`` of ``whole`` bytes; how many it has then."""
        span = f"bytes {offset}-{offset + len(data) - 1}/{whole}"
        path = f"/agents/v1/transfers/{transfer_id}"
        return self._number(self._call("PUT", path, data, {"Content-Range": span}))

    @staticmethod
    def _number(answer: dict[str, Any]) -> int:
        number = answer.get("received")
        if not isinstance(number, int):
            raise Unreachable("the controller does not say how many bytes it has")
        return number

    def _download(self, path: str, offset: int) -> tuple[http.client.HTTPResponse, bool]:
        """The connection is its own and closes with the response."""
        connection = self._connect()
        headers = {"Authorization": self._authorization, "Connection": "close"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(str(error) or type(error).__name__) from error
        if response.status not in (200, 206):
            connection.close()
            raise Refused(response.status, response.reason)
        return response, response.status == 206

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)

    def _call(
        self, method: str, path: str, body: Any = None, more: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """``body`` is sent as it is when it is bytes, else as JSON."""
        headers = {"Accept": "application/json", **(more or {})}
        data: bytes | None = None
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "application/octet-stream"
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if self._authorization:
            headers["Authorization"] = self._authorization
        status, reason, raw = self._exchange(method, path, data, headers)
        if status >= 400:
            raise Refused(status, _why(raw) or reason)
        try:
            answer = json.loads(raw) if raw else {}
        except ValueError as error:
            raise Unreachable(f"{path} did not answer with JSON") from error
        return answer if isinstance(answer, dict) else {}

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        """One request; a kept connection the server has closed is opened anew, once."""
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        for connection in (kept, None):
            fresh = connection is None
            used = self._connect() if connection is None else connection
            try:
                used.request(method, path, body=data, headers=headers)
                response = used.getresponse()
                raw = response.read()
            except (OSError, http.client.HTTPException) as error:
                used.close()
                self._local.connection = None
                if fresh:
                    raise Unreachable(str(error) or type(error).__name__) from error
                continue
            self._local.connection = used
            return response.status, response.reason, raw
        raise AssertionError("unreachable: the second attempt is always a fresh one")


def _why(raw: bytes) -> str:
    """The controller's own words for a refusal, as one line; "" when it gave none."""
    try:
        error = json.loads(raw)["error"]
        words = " ".join(str(error[part]) for part in ("message", "next_step") if part in error)
    except (ValueError, KeyError, TypeError):
        return ""
    return " ".join(words.split())[:MOST_WORDS]


def _words(raw: bytes) -> str:
    """What the controller said about a refusal, with what to do next; "" when it said nothing."""
    try:
        error = json.loads(raw)["error"]
        parts = (error["message"], error.get("next_step"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return " ".join(str(part) for part in parts if part)[:500]
