"""Every page and every template renders, in both languages, without anything inline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.frontend.conftest import ROOT, Shown
from tests.support import pages
from tests.support.people import log_in
from webcloud.identity import secret_hash

PATHS = (
    "/instances",
    "/instances?q=state:running",
    "/instances?q=nothing-fits",
    "/instances?q=state:nonsense",
    "/instances/new",
    "/instances/{instance}",
    "/instances/{broken}",
    "/instances/{instance}/log",
    "/instances/{instance}/move",
    "/images",
    "/images/new",
    "/key-pairs",
    "/networks",
    "/activity",
    "/activity?everywhere=1",
    "/activity/{operation}",
    "/hosts",
    "/hosts/{host}",
    "/hosts/{host}/drain",
    "/health",
    "/flavors",
    "/server-groups",
    "/aggregates",
)
LIVE = (
    "/instances",
    "/instances/{instance}",
    "/images",
    "/activity",
    "/activity/drawer",
    "/hosts",
    "/hosts/{host}",
    "/hosts/{host}/drain",
    "/health",
)
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", re.IGNORECASE
)
TEMPLATES = ROOT / "webcloud" / "templates"


def fill(path: str, shown: Shown) -> str:
    return path.format(
        instance=shown.instance_id,
        broken=shown.broken_id,
        operation=shown.operation_id,
        host=shown.furnished.host_id,
    )


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("path", PATHS)
def test_every_page_renders_in_both_languages(shown: Shown, path: str, language: str) -> None:
    answer = pages.get(shown.client, fill(path, shown), language=language)
    assert answer.status_code == 200, answer.text
    assert f'<html lang="{language}"' in answer.text
    assert not INLINE.search(answer.text)
    assert answer.text.count("<h1") == 1
    assert "<title>" in answer.text


@pytest.mark.parametrize("path", LIVE)
def test_what_a_hint_refetches_is_a_part_that_asks_for_itself_again(
    shown: Shown, path: str
) -> None:
    answer = pages.get(shown.client, fill(path, shown), part=True)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    tag = answer.text.strip().split(">", 1)[0]
    assert f'hx-get="{fill(path, shown)}"' in tag
    assert 'hx-trigger="live"' in tag
    assert "data-live=" in tag


@pytest.mark.parametrize("language", ["en", "vi"])
def test_an_empty_cloud_teaches_instead_of_showing_nothing(
    app: Flask, admin: object, language: str
) -> None:
    client = app.test_client()
    log_in(client, "admin")
    for path in ("/instances", "/images", "/key-pairs", "/networks", "/activity", "/hosts"):
        answer = pages.get(client, path, language=language)
        assert answer.status_code == 200, answer.text
        assert 'class="teach"' in answer.text, path


def test_every_template_is_used_by_some_page(
    app: Flask, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[str] = set()
    original = app.jinja_env.get_template
    loader = app.jinja_env.loader
    assert loader is not None
    source = loader.get_source

    def recording(environment: object, name: str) -> object:
        used.add(name)
        return source(environment, name)  # type: ignore[arg-type]

    app.jinja_env.cache.clear()  # type: ignore[union-attr]
    monkeypatch.setattr(loader, "get_source", recording)
    assert original is not None
    for path in (*PATHS, "/login", "/nothing-here"):
        pages.get(shown.client, fill(path, shown))
    pages.get(app.test_client(), "/login")
    pages.get(shown.client, f"/instances/{shown.instance_id}/console")
    pages.send(shown.client, "/instances/actions", shown.token, part=True, action="stop", id="x")
    there = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html")}
    assert there - used == set()


def test_no_template_holds_an_inline_script_or_style() -> None:
    guilty = [str(path) for path in TEMPLATES.rglob("*.html") if INLINE.search(path.read_text())]
    assert guilty == []


def test_names_with_markup_are_shown_as_text(shown: Shown, app: Flask) -> None:
    token, evil = shown.token, "<img src=x onerror=alert(1)>"
    renamed = pages.send(shown.client, f"/instances/{shown.instance_id}/edit", token, name=evil)
    assert renamed.status_code == 303
    for path in ("/instances", f"/instances/{shown.instance_id}", "/activity"):
        text = pages.get(shown.client, path).text
        assert "<img" not in text
        if path != "/activity":
            assert "&lt;img src=x" in text


def test_the_login_page_reads_in_the_language_asked_for(client: FlaskClient) -> None:
    assert "Đăng nhập" in pages.get(client, "/login", language="vi").text
    assert "Log in" in pages.get(client, "/login", language="fr").text
    assert "Đăng nhập" in pages.get(client, "/login?language=vi").text


def test_a_chosen_language_and_theme_win_over_the_browsers(shown: Shown) -> None:
    for field, value in (("language", "vi"), ("theme", "dark")):
        pages.send(shown.client, "/session/preferences", shown.token, **{field: value})
    text = pages.get(shown.client, "/instances", language="en").text
    assert '<html lang="vi" data-theme="dark" data-bs-theme="dark">' in text


def test_a_page_for_members_shows_no_operators_pages(app: Flask, member: object) -> None:
    client = app.test_client()
    log_in(client, "mai")
    text = pages.get(client, "/instances").text
    assert 'href="/hosts"' not in text
    assert 'href="/flavors"' not in text
    assert 'href="/images"' in text


def test_a_reader_is_offered_nothing_to_change(app: Flask, reader: object) -> None:
    client = app.test_client()
    log_in(client, "ryan")
    for path in ("/instances", "/images", "/key-pairs"):
        text = pages.get(client, path).text
        assert "btn-primary" not in text, path


def test_secrets_never_reach_a_page(shown: Shown) -> None:
    cookie = shown.client.get_cookie("webcloud_session")
    assert cookie is not None
    text = pages.get(shown.client, "/instances").text
    assert cookie.value not in text
    assert secret_hash.hash_secret(cookie.value) not in text


def test_no_script_reads_what_the_policy_forbids() -> None:
    scripts = (ROOT / "webcloud" / "static" / "js").rglob("*.js")
    forbidden = re.compile(r"\beval\(|new Function\(|innerHTML\s*=|document\.write\(")
    guilty = {path.name: forbidden.findall(Path(path).read_text()) for path in scripts}
    # It writes a whole page of this server, as it came, under the policy of all pages.
    assert guilty.pop("console_link.js") == ["document.write("]
    assert not any(guilty.values())
