"""The compute API as tests call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.people import Person

BASE = "/compute/v2.1"


@dataclass
class Compute:
    """One person's calls of the compute API, at one microversion."""

    client: FlaskClient
    person: Person
    version: str = "2.96"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        sent = {
            **self.person.headers,
            "OpenStack-API-Version": f"compute {self.version}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.client.open(f"{BASE}{path}", method=method, json=body, headers=sent)

    def get(self, path: str) -> Any:
        """The answer's body; the call must succeed."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.call("POST", path, body, **headers)

    def at(self, version: str) -> Compute:
        """The same person at another microversion."""
        return Compute(self.client, self.person, version)

    def create(self, image_id: str, name: str = "vm1", **fields: Any) -> str:
        """An accepted instance's id."""
        server = {"name": name, "flavorRef": "1", "imageRef": image_id, **fields}
        answer = self.post("/servers", {"server": server})
        assert answer.status_code == 202, answer.text
        return str(answer.json["server"]["id"])  # type: ignore[index]


def fault(answer: TestResponse) -> tuple[str, int, str]:
    """(kind, code, message) of a refusal in Nova's shape."""
    assert isinstance(answer.json, dict), answer.text
    assert len(answer.json) == 1, answer.text
    kind, body = next(iter(answer.json.items()))
    assert body["code"] == answer.status_code
    return kind, body["code"], body["message"]
