"""Browsers to the web server, handed to the proxy: everything real but the guest."""

from __future__ import annotations

import contextlib
import random
import re
import secrets
import signal
from pathlib import Path

import pytest
import websocket

from tests.support.console_agent import GREETING, ConsoleAgent
from tests.support.console_proxy import ProxyProcess, goodbye
from tests.support.console_site import INSTANCE, ConsoleSite
from tests.support.routes import everything_in

pytestmark = pytest.mark.usefixtures("proxy", "agent")


def test_a_browser_types_to_the_guest(site: ConsoleSite, agent: ConsoleAgent) -> None:
    cookie = site.log_in()
    browser = site.open(site.token(cookie), cookie)
    assert browser.getsubprotocol() == "binary"
    assert browser.recv() == GREETING
    browser.send_binary(b"typed")
    assert browser.recv() == b"typed"
    assert (agent.asked[-1].instance_id, agent.asked[-1].boot) == (INSTANCE, 3)
    browser.close()


def test_a_link_from_the_api_needs_no_login(site: ConsoleSite) -> None:
    assert site.open(site.token()).recv() == GREETING


def test_sec_S25_a_token_works_once(site: ConsoleSite) -> None:
    token = site.token()
    assert site.open(token).recv() == GREETING
    assert goodbye(site.open(token)) == (1008, "token_used")


def test_sec_S25_a_token_works_for_a_minute(site: ConsoleSite) -> None:
    token = site.token()
    site.expire_tokens()
    assert goodbye(site.open(token)) == (1008, "token_expired")


def test_sec_S25_a_token_works_for_its_own_session_and_kind(site: ConsoleSite) -> None:
    mine, other = site.log_in(), site.log_in()
    token = site.token(mine)
    assert goodbye(site.open(token, other)) == (1008, "token_session")
    assert goodbye(site.open(token)) == (1008, "token_session")
    assert goodbye(site.open(token, mine, kind="serial")) == (1008, "token_unknown")
    assert site.open(token, mine).recv() == GREETING


def test_sec_S25_a_token_has_over_128_random_bits_and_is_stored_as_a_hash(
    site: ConsoleSite,
) -> None:
    token = site.token()
    assert len(token) == 43
    assert len({site.token() for _ in range(20)}) == 20
    assert token not in str(everything_in(site.database))


def test_sec_S21_a_token_of_an_earlier_boot_or_a_deleted_instance_opens_nothing(
    site: ConsoleSite,
) -> None:
    from webcloud.db import now

    token = site.token()
    site.change(boot=4)
    try:
        assert goodbye(site.open(token)) == (1008, "wrong_boot")
        token = site.token()
        site.change(deleted_at=now())
        assert goodbye(site.open(token)) == (1008, "deleted")
    finally:
        site.change(boot=3, deleted_at=None)


ORIGINS = [
    None,
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://sub.127.0.0.1:{port}",
    "https://127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://127.0.0.1:{port}.",
    "http://127.0.0.1.:{port}",
    "HTTP://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@evil.example",
    "ws://127.0.0.1:{port}",
    "http://127.0.0.1:{port} http://evil.example",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_sec_S22_pages_of_other_origins_open_nothing(site: ConsoleSite, origin: str | None) -> None:
    cookie = site.log_in()
    wrong = origin.format(port=site.port) if origin else origin
    options = {"suppress_origin": True, "origin": None} if wrong is None else {"origin": wrong}
    token = site.token(cookie)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        site.open(token, cookie, header=["X-Forwarded-Proto: https"], **options)
    assert refused.value.status_code == 403
    assert site.open(token, cookie).recv() == GREETING, "a refused origin must not spend the token"


def test_sec_S22_forwarding_headers_do_not_move_the_origin(site: ConsoleSite) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.open(
            site.token(),
            origin="https://evil.example",
            header=["X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"],
        )


def test_sec_S22_a_cookie_without_a_token_opens_nothing(site: ConsoleSite) -> None:
    cookie = site.log_in()
    for offered in (["binary"], ["webcloud.token.x"], ["binary", "webcloud.token.x"] * 2, None):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            site.open("", cookie, subprotocols=offered)
        assert refused.value.status_code == 400


def test_sec_S30_nothing_a_client_says_chooses_the_target(
    site: ConsoleSite, agent: ConsoleAgent
) -> None:
    chance = random.Random(30)
    names = ["host", "port", "path", "token", "instance_id", "boot", "console_socket", "target"]
    for _ in range(60):
        lies = [f"{chance.choice(names)}={secrets.token_hex(3)}" for _ in range(3)]
        browser = site.open(
            site.token(),
            query="?" + "&".join(lies),
            header=[f"X-{chance.choice(names)}: 127.0.0.1:22" for _ in range(2)],
        )
        assert browser.recv() == GREETING
        browser.close()
        assert agent.asked[-1].instance_id == INSTANCE
        assert agent.asked[-1].boot == 3


@pytest.mark.parametrize("token", ["", "x", "é" * 43, "x" * 43, "x" * 4000, "'; --"])
def test_wrong_tokens_are_refused_and_the_server_lives(site: ConsoleSite, token: str) -> None:
    with contextlib.suppress(websocket.WebSocketException, UnicodeError):
        assert goodbye(site.open(token)) == (1008, "token_unknown")
    assert site.open(site.token()).recv() == GREETING


def test_an_ordinary_request_is_no_console(site: ConsoleSite) -> None:
    assert site.get("/console/vnc")[0] in (400, 404)


def test_sec_S24_tokens_are_in_no_log(site: ConsoleSite, proxy: ProxyProcess) -> None:
    cookie = site.log_in()
    tokens = [site.token(cookie), site.token(), site.token()]
    assert site.open(tokens[0], cookie).recv() == GREETING
    assert goodbye(site.open(tokens[1], kind="serial"))[0] == 1008
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.open(tokens[2], origin="http://evil.example")
    written = site.log.read_text() + proxy.log.read_text()
    assert "/console/vnc" in written
    for secret in (*tokens, cookie.split("=", 1)[1]):
        assert secret not in written
    assert not re.search(r"Traceback", written)


def test_without_the_proxy_the_token_is_not_spent(site: ConsoleSite, proxy: ProxyProcess) -> None:
    token = site.token()
    proxy.process.kill()
    proxy.process.wait()
    try:
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            site.open(token)
        assert refused.value.status_code == 503
    finally:
        proxy.start()
    assert site.open(token).recv() == GREETING


def test_consoles_go_on_when_the_web_server_is_killed(site: ConsoleSite) -> None:
    browser = site.open(site.token())
    assert browser.recv() == GREETING
    site.kill()
    try:
        browser.send_binary(b"still here")
        assert browser.recv() == b"still here"
    finally:
        site.start()
    browser.send_binary(b"and after")
    assert browser.recv() == b"and after"


def test_consoles_hold_no_thread_or_descriptor_of_the_web_server(site: ConsoleSite) -> None:
    def descriptors() -> int:
        master = site.process.pid
        worker = Path(f"/proc/{master}/task/{master}/children").read_text().split()[0]
        return len(list(Path(f"/proc/{worker}/fd").iterdir()))

    site.open(site.token()).recv()
    before = descriptors()
    held = [site.open(site.token()) for _ in range(8)]
    for browser in held:
        assert browser.recv() == GREETING
    assert descriptors() <= before + 2


def test_a_stopping_web_server_does_not_cut_consoles(site: ConsoleSite) -> None:
    browser = site.open(site.token())
    browser.recv()
    site.process.send_signal(signal.SIGTERM)
    site.process.wait(10)
    try:
        browser.send_binary(b"x")
        assert browser.recv() == b"x"
    finally:
        site.start()
