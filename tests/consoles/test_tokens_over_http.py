"""Asking for a console: the compute API's call, the page, and its script's call."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.console_agent import GREETING
from tests.support.console_site import INSTANCE, PROJECT, USER, ConsoleSite, add_instance
from webcloud.audit.models import AuditEntry
from webcloud.identity import tokens
from webcloud.identity.models import Project, RoleAssignment

pytestmark = pytest.mark.usefixtures("proxy", "agent")

VNC = {"remote_console": {"protocol": "vnc", "type": "novnc"}}


@pytest.fixture
def api_token(site: ConsoleSite) -> str:
    return _api_token(site, "member")


def _api_token(site: ConsoleSite, role: str) -> str:
    with site.database.transaction() as session:
        session.merge(RoleAssignment(user_id=USER, project_id=PROJECT, role=role))
        for other in {"member", "reader"} - {role}:
            row = session.get(RoleAssignment, (USER, PROJECT, other))
            if row is not None:
                session.delete(row)
        return tokens.issue(
            session, user_id=USER, project_id=PROJECT, methods=["password"], hours=1
        )


def _ask(
    site: ConsoleSite, api_token: str, body: Any, version: str = "2.96", server: str = INSTANCE
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{site.origin}/compute/v2.1/servers/{server}/remote-consoles",
        data=json.dumps(body).encode(),
        headers={
            "X-Auth-Token": api_token,
            "Content-Type": "application/json",
            "OpenStack-API-Version": f"compute {version}",
        },
    )
    status, text, _ = site._call(request, "")
    return status, json.loads(text)


@pytest.mark.parametrize(("protocol", "kind"), [("vnc", "novnc"), ("serial", "serial")])
def test_the_api_answers_a_link_that_opens_once(
    site: ConsoleSite, api_token: str, protocol: str, kind: str
) -> None:
    wanted = {"protocol": protocol, "type": kind}
    status, body = _ask(site, api_token, {"remote_console": wanted}, "2.6")
    assert status == 200
    console = body["remote_console"]
    assert {name: console[name] for name in wanted} == wanted
    link = urlsplit(console["url"])
    assert "token" not in link.query
    assert f"{link.scheme}://{link.netloc}{link.path}" == f"{site.origin}/console"
    token = parse_qs(link.fragment)["token"][0]
    assert site.open(token, kind=protocol).recv() == GREETING


@pytest.mark.parametrize(
    ("body", "version", "status"),
    [
        (VNC, "2.5", 404),
        ({"remote_console": {"protocol": "spice", "type": "spice-html5"}}, "2.96", 400),
        ({"remote_console": {"protocol": "vnc", "type": "serial"}}, "2.96", 400),
        ({"remote_console": {"protocol": "rdp", "type": "rdp-html5"}}, "2.96", 400),
        ({"remote_console": {"protocol": "vnc", "type": "novnc", "host": "x"}}, "2.96", 400),
        ({}, "2.96", 400),
        ([], "2.96", 400),
    ],
)
def test_wrong_requests_are_refused(
    site: ConsoleSite, api_token: str, body: Any, version: str, status: int
) -> None:
    assert _ask(site, api_token, body, version)[0] == status


def _act(site: ConsoleSite, api_token: str, body: Any, version: str) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{site.origin}/compute/v2.1/servers/{INSTANCE}/action",
        data=json.dumps(body).encode(),
        headers={
            "X-Auth-Token": api_token,
            "Content-Type": "application/json",
            "OpenStack-API-Version": f"compute {version}",
        },
    )
    status, text, _ = site._call(request, "")
    return status, json.loads(text)


def test_older_clients_ask_by_an_action(site: ConsoleSite, api_token: str) -> None:
    body = {"os-getVNCConsole": {"type": "novnc"}}
    status, answer = _act(site, api_token, body, "2.1")
    assert status == 200
    assert answer["console"]["type"] == "novnc"
    token = answer["console"]["url"].split("#token=")[1]
    assert site.open(token).recv() == GREETING
    assert _act(site, api_token, body, "2.6")[0] == 404
    assert _act(site, api_token, {"os-getVNCConsole": {"type": "serial"}}, "2.1")[0] == 400
    assert _act(site, api_token, {"os-getSPICEConsole": {"type": "spice-html5"}}, "2.1")[0] == 400


def test_a_foreign_instance_does_not_exist(site: ConsoleSite, api_token: str) -> None:
    with site.database.transaction() as session:
        session.merge(
            Project(
                id="project-2",
                name="other",
                created_at=session.get_one(Project, PROJECT).created_at,
            )
        )
        session.flush()
        add_instance(session, "instance-2", "project-2")
    foreign = _ask(site, api_token, VNC, server="instance-2")
    missing = _ask(site, api_token, VNC, server="instance-9")
    assert foreign[0] == missing[0] == 404


def test_a_reader_may_look_but_not_open_a_console(site: ConsoleSite) -> None:
    cookie = site.log_in()
    try:
        assert _ask(site, _api_token(site, "reader"), VNC)[0] == 403
        assert site.get(f"/instances/{INSTANCE}/console", cookie)[0] == 403
    finally:
        _api_token(site, "member")
    assert _ask(site, "", VNC)[0] == 401


def test_an_instance_that_is_off_has_no_console(site: ConsoleSite, api_token: str) -> None:
    site.change(observed_power="shutoff")
    try:
        assert _ask(site, api_token, VNC)[0] == 409
        cookie = site.log_in()
        status, page, headers = site.get(f"/instances/{INSTANCE}/console", cookie)
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert 'data-token=""' in page
        form = headers["Set-Cookie"].split(";")[0]
        status, body = site.ask_token(f"{cookie}; {form}", page)
        assert (status, body["error"]["code"]) == (409, "not_running")
    finally:
        site.change(observed_power="running")


def test_the_page_carries_a_token_and_its_script_gets_another(site: ConsoleSite) -> None:
    cookie, other = site.log_in(), site.log_in()
    status, page, headers = site.get(f"/instances/{INSTANCE}/console", cookie)
    assert status == 200
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    first = page.split('data-token="')[1].split('"')[0]
    assert site.open(first, cookie).recv() == GREETING
    # The form cookie that belongs to the page's token is sent along.
    form = headers["Set-Cookie"].split(";")[0]
    status, body = site.ask_token(f"{cookie}; {form}", page, "serial")
    assert (status, body["path"]) == (200, "/console/serial")
    assert site.open(body["token"], cookie, kind="serial").recv() == GREETING
    assert site.ask_token(f"{other}; {form}", page)[0] == 200
    assert site.ask_token(f"{cookie}; {form}", page, "rdp")[0] == 400
    assert site.ask_token(f"{cookie}; {form}", page, Origin="http://evil.example")[0] == 403
    assert site.get(f"/instances/{INSTANCE}/console")[1].find("data-token") < 0


def test_opening_a_console_is_in_the_audit_without_its_token(site: ConsoleSite) -> None:
    token = site.token()
    with site.database.reading() as session:
        entry = session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert entry is not None
        assert (entry.action, entry.subject_id, entry.actor) == ("console.open", INSTANCE, "ada")
        assert token not in str(entry.detail)
