"""The assets: no address in the lock, every icon drawn, a small and complete first load."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
import requests
from flask import Flask

from tests.frontend.conftest import ROOT, Shown
from tests.support.live_server import free_port, serving
from tests.support.people import PASSWORD, Person
from webcloud.admin import host_view
from webcloud.frontend import assets
from webcloud.images import dashboard as images_page
from webcloud.instances.states import LOOKS

FIRST_LOAD = 400 * 1024
ICON = re.compile(r"""icon\(\s*["']([a-z0-9-]+)["']""")
NAMED = re.compile(r"""["']([a-z0-9-]+)["']\s+(?:if|else)""")


def test_the_lock_names_no_registry() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    assert "://" not in lock
    assert "resolved" not in lock


def test_versions_are_pinned_and_the_lock_agrees() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert locked[f"node_modules/{name}"]["version"] == version
        assert locked[f"node_modules/{name}"]["integrity"].startswith("sha512-")


def test_every_icon_that_is_used_is_drawn() -> None:
    drawn = set(json.loads((ROOT / "webcloud" / "static" / "icons.json").read_text()))
    used = {look.icon for look in LOOKS.values()}
    used |= {look.icon for look in images_page.LOOKS.values()}
    used |= {look.icon for look in host_view.LOOKS}
    for template in (ROOT / "webcloud" / "templates").rglob("*.html"):
        used |= set(ICON.findall(template.read_text()))
    assert used - drawn == set()


def test_pages_name_assets_by_their_contents_and_say_so(shown: Shown) -> None:
    text = shown.client.get("/instances", headers={"Accept": "text/html"}).text
    for name in ("app", "style", "theme"):
        assert re.search(rf"/static/vendor/{name}-[A-Z0-9]{{8}}\.(js|css)", text), (
            "run `npm ci && npm run build` first"
        )


def test_the_first_load_is_one_round_of_small_files(app: Flask, admin: Person) -> None:
    browser = requests.Session()
    with serving(app, free_port()) as address:
        form = browser.get(f"{address}/login").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token is not None
        page = browser.post(
            f"{address}/login",
            data={"csrf_token": token.group(1), "name": "admin", "password": PASSWORD},
            headers={"Accept": "text/html"},
        )
        assert page.headers["Content-Encoding"] == "gzip"
        files = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page.text))
        files |= {use.split("#")[0] for use in re.findall(r'<use href="([^"]+)"', page.text)}
        assert len(files) == 4
        total = len(page.raw.data or b"") or len(page.content)
        for file in files:
            answer = browser.get(address + file, stream=True)
            assert answer.status_code == 200
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
            total += int(answer.headers["Content-Length"])
    assert total <= FIRST_LOAD


def test_without_built_assets_the_application_starts_and_says_what_to_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = Flask("bare", root_path=str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assets.init_app(bare)
    assert "npm ci && npm run build" in caplog.text
    with bare.app_context():
        assert assets.asset("app.js") == "/static/vendor/app.js"
    assert bare.test_client().get("/static/vendor/app.js").status_code == 404


@pytest.mark.parametrize("name", ["app.js", "theme.js", "style.css"])
def test_nothing_built_asks_another_site_for_anything(name: str) -> None:
    vendor = ROOT / "webcloud" / "static" / "vendor"
    built = vendor / json.loads((vendor / "manifest.json").read_text())[name]
    text = built.read_text()
    assert not re.search(r"@import|url\((?![\"']?data:|[\"']?#)", text)
    assert "sourceMappingURL" not in text
