"""Whoever sends slowly, reads slowly or never leaves must hold up nobody else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import text

from tests.regressions.conftest import THREADS, Site
from webcloud import patience
from webcloud.db import Database

JOIN = (
    b"POST /agents/v1/join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{"
)


@contextmanager
def peers(site: Site, number: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this and then say nothing more."""
    with ExitStack() as stack:
        made = []
        for _ in range(number):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", site.port)))
            peer.sendall(sent)
            made.append(peer)
        time.sleep(0.3)
        yield made


def test_sec_S77_a_stranger_who_sends_a_body_slowly_does_not_hold_the_write_lock(
    site: Site,
) -> None:
    database = Database(site.config.database_url)
    with peers(site, 3, JOIN):
        began = time.monotonic()
        with database.transaction() as session:
            session.execute(text("UPDATE project SET description = 'written meanwhile'"))
        assert time.monotonic() - began < 5
    database.engine.dispose()


def test_sec_S32_half_sent_heads_do_not_use_up_the_threads(site: Site) -> None:
    with peers(site, THREADS * 4, b"GET / HTTP/1.1\r\nHost: x\r\nX-Half"):
        assert site.seconds_to_answer() < 10


def test_sec_S32_a_peer_that_does_not_hang_up_does_not_stop_the_server_accepting(
    site: Site,
) -> None:
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with peers(site, 10, asked):
        assert site.seconds_to_answer() < 5


def test_a_body_that_stops_coming_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "SLOWEST", 100)
    ours, theirs = socket.socketpair()
    with theirs, patience.PacedSocket(fileno=ours.detach()) as paced:
        paced.pace(0.2)
        theirs.sendall(b"a" * 30)
        assert paced.recv(100) == b"a" * 30
        began = time.monotonic()
        assert paced.recv(100) == b""
        assert 0.2 < time.monotonic() - began < 5
        theirs.sendall(b"too late")
        assert paced.recv(100) == b""
        paced.until = None
        assert paced.recv(100) == b"too late"
