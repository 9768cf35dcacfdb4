"""Images in the browser: uploads in chunks, imports, the catalogue, deleting."""

from __future__ import annotations

import os
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.support import pages
from tests.support.people import Person, log_in
from webcloud.conductor.models import OperationRow
from webcloud.db import Database
from webcloud.images import catalogue
from webcloud.images.models import Image

BYTES = os.urandom(200_000)


class Browser:
    """A member's browser with its form token."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client, self.token = client, token

    def json(self, path: str, body: object = None) -> TestResponse:
        return self.client.post(path, json=body, headers={"X-CSRFToken": self.token})

    def put(self, upload: str, offset: object, data: bytes) -> TestResponse:
        return self.client.put(
            f"/images/uploads/{upload}?offset={offset}",
            data=data,
            headers={"X-CSRFToken": self.token},
        )

    def begin(self, size: int = len(BYTES), disk_format: str = "raw", name: str = "mine") -> str:
        body = {"name": name, "disk_format": disk_format, "size": size}
        answer = self.json("/images/uploads", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])  # type: ignore[index]


@pytest.fixture
def browser(app: Flask, member: Person) -> Browser:
    client = app.test_client()
    return Browser(client, log_in(client, "mai"))


def images(database: Database) -> list[Image]:
    with database.reading() as session:
        return list(session.scalars(select(Image)))


def test_an_upload_in_chunks_becomes_an_image(browser: Browser, database: Database) -> None:
    upload = browser.begin()
    assert browser.put(upload, 0, BYTES[:70_000]).json == {"received": 70_000}
    text = pages.get(browser.client, "/images").text
    assert "Uploading" in text
    assert "Receiving · 35 %" in text
    assert browser.put(upload, 70_000, BYTES[70_000:]).json == {"received": len(BYTES)}
    assert browser.json(f"/images/uploads/{upload}/finish").json == {"status": "active"}
    (image,) = images(database)
    assert (image.status, image.size, image.name) == ("active", len(BYTES), "mine")
    assert "Ready" in pages.get(browser.client, "/images").text


def test_a_cut_upload_goes_on_where_it_ended(browser: Browser) -> None:
    upload = browser.begin()
    browser.put(upload, 0, BYTES[:50_000])
    wrong = browser.put(upload, 80_000, BYTES[80_000:])
    assert wrong.status_code == 409
    assert wrong.json["error"]["code"] == "wrong_offset"  # type: ignore[index]
    now = browser.client.get(f"/images/uploads/{upload}").json
    assert now == {
        "received": 50_000,
        "expected": len(BYTES),
        "status": "saving",
        "stage": "receive",
        "fault": "",
    }
    assert browser.put(upload, 50_000, BYTES[50_000:]).status_code == 200
    assert browser.json(f"/images/uploads/{upload}/finish").status_code == 200


def test_a_lying_header_is_refused_in_words_and_shown_in_the_list(browser: Browser) -> None:
    upload = browser.begin(disk_format="qcow2")
    browser.put(upload, 0, BYTES)
    refused = browser.json(f"/images/uploads/{upload}/finish")
    assert 400 <= refused.status_code < 500
    message = refused.json["error"]["message"]  # type: ignore[index]
    assert message
    assert "is-bad" in pages.get(browser.client, "/images").text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "", "disk_format": "raw", "size": 1}, 400),
        ({"name": "a", "disk_format": "vmdk", "size": 1}, 400),
        ({"name": "a", "disk_format": "raw", "size": 0}, 400),
        ({"name": "a", "disk_format": "raw", "size": "1"}, 400),
        ({"name": "a", "disk_format": "raw", "size": 1, "more": 1}, 400),
        ({"name": "a", "disk_format": "raw"}, 400),
    ],
)
def test_a_wrong_beginning_leaves_nothing(
    browser: Browser, database: Database, body: dict[str, object], status: int
) -> None:
    assert browser.json("/images/uploads", body).status_code == status
    assert images(database) == []


def test_an_image_over_the_limit_is_refused_before_a_byte_is_sent(
    browser: Browser, database: Database
) -> None:
    body = {"name": "big", "disk_format": "raw", "size": 10**15}
    refused = browser.json("/images/uploads", body)
    assert refused.status_code == 413
    assert images(database) == []


@pytest.mark.parametrize("offset", ["", "-1", "x"])
def test_a_chunk_needs_a_place(browser: Browser, offset: str) -> None:
    assert browser.put(browser.begin(), offset, b"a").status_code == 400


def test_an_upload_needs_the_form_token_and_belongs_to_its_project(
    app: Flask, browser: Browser, stranger: Person
) -> None:
    upload = browser.begin()
    assert browser.client.put(f"/images/uploads/{upload}?offset=0", data=b"a").status_code == 403
    client = app.test_client()
    other = Browser(client, log_in(client, "stan"))
    assert other.put(upload, 0, b"a").status_code == 404
    assert client.get(f"/images/uploads/{upload}").status_code == 404
    assert other.json(f"/images/uploads/{upload}/finish").status_code == 404


def test_an_import_by_address_is_an_operation(browser: Browser, database: Database) -> None:
    fields = {
        "name": "far",
        "url": "https://images.example/far.qcow2",
        "disk_format": "qcow2",
        "checksum": "A" * 64,
    }
    answer = pages.send(browser.client, "/images/import", browser.token, **fields)
    assert (answer.status_code, answer.location) == (303, "/images")
    with database.reading() as session:
        row = session.scalars(select(OperationRow)).one()
    assert (row.kind, row.params["checksum"]) == ("image.import", "a" * 64)
    assert "Importing" in pages.get(browser.client, "/images").text


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "file:///etc/passwd"},
        {"url": ""},
        {"checksum": "xyz"},
        {"disk_format": "vmdk"},
        {"name": ""},
        {"more": "1"},
    ],
)
def test_a_wrong_import_says_why_keeps_what_was_typed_and_makes_nothing(
    browser: Browser, database: Database, changes: dict[str, str]
) -> None:
    fields = {
        "name": "far away",
        "url": "https://images.example/far.qcow2",
        "disk_format": "qcow2",
        **changes,
    }
    answer = pages.send(browser.client, "/images/import", browser.token, **fields)
    assert answer.status_code == 400
    assert 'class="fault"' in answer.text
    assert "name" in changes or 'value="far away"' in answer.text
    assert images(database) == []


def test_the_catalogue_imports_with_the_publishers_checksums(
    browser: Browser, database: Database
) -> None:
    text = pages.get(browser.client, "/images/new").text
    for entry in catalogue.ENTRIES:
        assert entry.name in text
    entry = catalogue.ENTRIES[0]
    answer = pages.send(browser.client, f"/images/catalogue/{entry.key}", browser.token)
    assert answer.status_code == 303
    (image,) = images(database)
    assert image.properties["os_admin_user"] == entry.user
    assert image.min_disk_gb == entry.min_disk
    unknown = pages.send(browser.client, "/images/catalogue/none", browser.token)
    assert unknown.status_code == 404


def test_deleting_says_what_is_lost_and_it_is_gone_at_once(
    app: Flask, browser: Browser, stranger: Person
) -> None:
    upload = browser.begin()
    text = pages.get(browser.client, "/images").text
    assert re.search(r"Delete image mine\?", text)
    client = app.test_client()
    foreign = pages.send(client, f"/images/{upload}/delete", log_in(client, "stan"))
    assert foreign.status_code == 404
    answer = pages.send(browser.client, f"/images/{upload}/delete", browser.token)
    assert answer.status_code == 303
    assert (
        "mine" not in pages.get(browser.client, "/images").text.split("<main")[1].split("</main")[0]
    )
