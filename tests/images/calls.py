"""The image API as tests call it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.images import corpus
from tests.support.operations import Scenario, drive
from tests.support.people import Person
from webcloud.conductor import queries as operations
from webcloud.db import Database
from webcloud.identity import quotas

PATCH = "application/openstack-images-v2.1-json-patch"
QCOW2 = corpus.Qcow2().build()


class Images:
    """One person's calls of the image API."""

    def __init__(self, client: FlaskClient, person: Person) -> None:
        self.client, self.person = client, person

    def call(self, method: str, path: str, **rest: Any) -> TestResponse:
        headers = {**self.person.headers, **rest.pop("headers", {})}
        return self.client.open(f"/image/v2{path}", method=method, headers=headers, **rest)

    def create(self, **body: Any) -> Any:
        given = {"name": "x", "disk_format": "qcow2", "container_format": "bare", **body}
        answer = self.call("POST", "/images", json=given)
        assert answer.status_code == 201, answer.text
        return answer.json

    def put(self, image_id: str, data: bytes) -> TestResponse:
        kind = "application/octet-stream"
        return self.call("PUT", f"/images/{image_id}/file", data=data, content_type=kind)

    def patch(self, image_id: str, *changes: Any) -> TestResponse:
        body = json.dumps(list(changes))
        return self.call("PATCH", f"/images/{image_id}", data=body, content_type=PATCH)

    def active(self, data: bytes = QCOW2, **body: Any) -> str:
        image_id = str(self.create(**body)["id"])
        answer = self.put(image_id, data)
        assert answer.status_code == 204, answer.text
        return image_id

    def show(self, image_id: str) -> Any:
        return self.call("GET", f"/images/{image_id}").json

    def names(self, query: str = "") -> list[str]:
        return [image["name"] for image in self.call("GET", f"/images{query}").json["images"]]


def ignored(_session: object) -> None:
    """The test looks for itself."""


def carry_out(
    database: Database,
    image_id: str,
    between_rounds: Callable[[], None] = lambda: time.sleep(0.05),
) -> None:
    """Run the image's unfinished operation to its end."""
    with database.reading() as session:
        row = operations.active_operation(session, "image", image_id)
    assert row is not None
    drive(database, Scenario(lambda: row.id, ignored, ignored, between_rounds))


def used(database: Database, person: Person) -> tuple[int, int]:
    with database.reading() as session:
        found = quotas.usage(session, person.project_id)
    return found["images"].used, found["image_gb"].used
