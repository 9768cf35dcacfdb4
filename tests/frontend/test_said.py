"""What errors say is in the reader's language, names and numbers included, and stays text."""

from __future__ import annotations

import html

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support import pages
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person, log_in
from webcloud.conductor.plan import failed
from webcloud.db import Database, now
from webcloud.hosts.models import Host
from webcloud.identity import quotas
from webcloud.instances import faults
from webcloud.instances.models import Placement
from webcloud.scheduler.placement import choose
from webcloud.scheduler.request import Candidate, Request
from webcloud.words import say

MARKUP = "<img src=x onerror=alert(1)>{name}{0.__class__}"


@pytest.fixture
def furnished(database: Database, admin: Person) -> Furnished:
    return furnish(database)


@pytest.fixture
def browser(app: Flask, furnished: Furnished, member: Person) -> FlaskClient:
    client = app.test_client()
    client.token = log_in(client, "mai")  # type: ignore[attr-defined]
    return client


def create(browser: FlaskClient, furnished: Furnished, language: str, name: str = "web") -> str:
    """The text of the answer to the form, as a reader sees it and as it was sent."""
    fields = {
        **{"csrf_token": browser.token, "name": name, "flavor_id": "1", "key_mode": "none"},  # type: ignore[attr-defined]
        **{"image_id": furnished.image_id, "network_id": furnished.network_id},
    }
    headers = {**pages.HTML, "Accept-Language": language}
    return browser.post("/instances", data=fields, headers=headers).text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", f"This project already has an instance named {MARKUP!r}."),
        ("vi", f"Dự án này đã có máy ảo tên {MARKUP!r}."),
    ],
)
def test_a_taken_name_is_told_and_its_markup_stays_inert(
    browser: FlaskClient, furnished: Furnished, language: str, words: str
) -> None:
    create(browser, furnished, language, MARKUP)
    text = create(browser, furnished, language, MARKUP)
    assert words in html.unescape(text)
    assert "<img src=x" not in text


def test_a_full_quota_is_told_in_vietnamese(
    browser: FlaskClient, furnished: Furnished, member: Person, database: Database
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, member.project_id, {"memory_mb": 10})
    text = html.unescape(create(browser, furnished, "vi"))
    assert "Hạn mức bộ nhớ (MB) của dự án không cho thêm" in text
    assert "The project's quota" not in text


def test_that_no_host_has_room_is_told_in_vietnamese(
    browser: FlaskClient, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.get_one(Host, furnished.host_id).memory_mb = 1
    text = html.unescape(create(browser, furnished, "vi"))
    assert "Không máy chủ nào còn trống 128 MB bộ nhớ; máy rộng nhất còn 1 MB." in text
    assert "n1" not in text


def test_a_name_that_is_too_long_is_told_in_vietnamese(
    browser: FlaskClient, furnished: Furnished
) -> None:
    text = create(browser, furnished, "vi", "n" * 300)
    assert "Tên có tối đa 255 ký tự; tên này có 300." in text


def test_a_stored_fault_its_operation_and_its_placement_are_told_in_vietnamese(
    browser: FlaskClient, furnished: Furnished, member: Person, database: Database
) -> None:
    closed = Candidate("h", "n9", False, "", True, "x86_64", "qemu", 9, 999, 9)
    decision = choose(Request(1, 64, 1), [closed])
    with database.transaction() as session:
        fault = faults.record("no_capacity", decision.why_none, now())
        instance = pages.put_instance(
            session, member, "lost", furnished.image_id, None, built=False, fault=fault
        )
        row = pages.put_operation(
            session, instance, status="failed", error_message=str(decision.why_none)
        )
        row.state = failed(row, decision.why_none)
        kept = {"reasons": decision.kept(), "counts": decision.counts()}
        session.add(Placement(instance_id=instance.id, at=now(), **kept))
        page, story = f"/instances/{instance.id}", f"/activity/{row.id}"
    words = "Hiện mọi máy chủ đều không nhận máy ảo mới."
    for path in (page, story):
        assert words in pages.get(browser, path, language="vi").text
        assert decision.why_none in pages.get(browser, path).text
    # What was found about each host is for operators.
    assert "đang bị tắt (không nêu lý do)" not in pages.get(browser, page, language="vi").text


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "No image has the id none."), ("vi", "Không có ảnh đĩa nào có mã none.")],
)
def test_a_script_of_a_page_is_answered_in_the_pages_language(
    browser: FlaskClient, language: str, words: str
) -> None:
    answer = browser.put(
        "/images/uploads/none?offset=0",
        headers={
            "Accept": "application/json",
            "Accept-Language": language,
            "X-CSRFToken": browser.token,  # type: ignore[attr-defined]
        },
    )
    assert answer.status_code == 404
    assert answer.json["error"]["message"] == words


def test_the_api_answers_in_english_whatever_the_caller_reads(
    client: FlaskClient, furnished: Furnished, member: Person
) -> None:
    headers = {**member.headers, "Accept-Language": "vi"}
    answer = client.get("/compute/v2.1/servers/none", headers=headers)
    assert answer.json["itemNotFound"]["message"] == "Instance none could not be found."


def test_translated_text_is_plain_so_that_templates_escape_it(app: Flask) -> None:
    from webcloud.frontend.languages import said

    with app.test_request_context("/?language=vi"):
        told = said(say("There is no action {name}.", name="<b>"))
        assert type(told) is str
        assert told == "Không có hành động <b>."
        assert said("") == said(say("")) == ""
