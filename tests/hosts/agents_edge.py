"""An enrolled host, and its agent's HTTP calls on a test client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from agents.wire import WIRE_VERSION, codec
from webcloud.db import Database, new_id
from webcloud.hosts import enrolment


@dataclass
class AgentSide:
    """What one host's agent can send."""

    client: FlaskClient
    host_id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.host_id}.{self.secret}"}

    def get(self, path: str) -> TestResponse:
        return self.client.get(f"/agents/v1/{path}", headers=self.headers)

    def post(self, path: str, body: Any) -> TestResponse:
        return self.client.post(f"/agents/v1/{path}", json=body, headers=self.headers)

    def put(self, path: str, message: Any) -> TestResponse:
        return self.client.put(
            f"/agents/v1/{path}", json=codec.encode(message), headers=self.headers
        )

    def report(self, *reports: Any) -> TestResponse:
        return self.post("reports", {"reports": [codec.encode(each) for each in reports]})


def enrol(app: Flask, name: str, version: int = WIRE_VERSION) -> AgentSide:
    """Make a token and join with it, over HTTP."""
    database: Database = app.extensions["webcloud"].database
    with database.transaction() as session:
        token = enrolment.make_join_token(session, name)
    client = app.test_client()
    answer = client.post(
        "/agents/v1/join",
        json={"token": token, "name": name, "host_uuid": new_id(), "wire_version": version},
    )
    assert answer.status_code == 201
    return AgentSide(client, answer.json["host_id"], answer.json["secret"])
