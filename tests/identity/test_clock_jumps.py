"""Tokens, sessions and links over a clock that jumps: good for as long as they were meant to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from tests.support.people import Person, log_in
from webcloud import db
from webcloud.clock import Clock
from webcloud.conductor import clocks
from webcloud.conductor.clocks import ClockWatch
from webcloud.consoles.models import ConsoleToken
from webcloud.db import Database, now
from webcloud.hosts import enrolment
from webcloud.hosts.models import JoinToken
from webcloud.identity import expiry, lifetimes, login_links
from webcloud.identity.models import BrowserSession, LoginLink, Setting, Token, User

HOUR = 3600.0
DAY = 24 * HOUR
PATH = "/compute/v2.1/os-keypairs"


class Reference:
    """The database's clock, moved by hand."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> Reference:
    made = Reference()
    monkeypatch.setattr(db, "clock", Clock())
    monkeypatch.setattr(clocks, "time_of", lambda database, _clock: made())
    return made


@pytest.fixture
def jump(app: Flask, database: Database, reference: Reference) -> Callable[[float], None]:
    """``jump(seconds)``: the clock jumps, and this process sees it."""
    watch = ClockWatch(database)
    watch.look()

    def jump(seconds: float) -> None:
        reference.ahead += seconds
        watch.look()

    return jump


def left(database: Database, *tables: type) -> list[float]:
    """Seconds that the rows of these tables are still good for."""
    with database.reading() as session:
        return [
            (row.expires_at - now()).total_seconds()
            for table in tables
            for row in session.query(table).order_by(table.expires_at)
        ]


def end_in(database: Database, table: type, **span: float) -> None:
    with database.transaction() as session:
        session.execute(update(table).values(expires_at=now() + timedelta(**span)))


@pytest.mark.parametrize("seconds", [-HOUR, -30 * DAY, HOUR, 30 * DAY])
def test_whatever_is_good_until_a_moment_is_good_for_as_long_over_a_jump(
    seconds: float,
    app: Flask,
    database: Database,
    member: Person,
    jump: Callable[[float], None],
) -> None:
    log_in(app.test_client(), member.name)
    with database.transaction() as session:
        user = session.query(User).filter(User.name == member.name).one()
        login_links.create(session, user, "http://here")
        enrolment.make_join_token(session, "n1")
    tables = (Token, BrowserSession, LoginLink, JoinToken)
    before = left(database, *tables)
    assert len(before) >= len(tables)
    jump(seconds)
    assert left(database, *tables) == pytest.approx(before, abs=5)
    jump(-seconds)
    assert left(database, *tables) == pytest.approx(before, abs=10)


def test_every_kind_of_token_is_kept(app: Flask) -> None:
    tables = {key.class_ for key, *_ in lifetimes._kept}
    assert tables == {Token, BrowserSession, LoginLink, JoinToken, ConsoleToken}


def test_a_forward_jump_that_is_corrected_logs_nobody_out(
    app: Flask, database: Database, member: Person, jump: Callable[[float], None]
) -> None:
    browser = app.test_client()
    log_in(browser, member.name)
    for seconds in (30 * DAY, -30 * DAY):
        jump(seconds)
        expiry.sweep(database)
        assert browser.get(PATH, headers=member.headers).status_code == 200
        assert browser.get("/instances", headers={"Accept": "text/html"}).status_code == 200


def test_what_was_over_stays_over_when_the_clock_goes_back(
    app: Flask, database: Database, member: Person, jump: Callable[[float], None]
) -> None:
    browser = app.test_client()
    log_in(browser, member.name)
    for table in (Token, BrowserSession):
        end_in(database, table, minutes=-10)
    jump(-HOUR)
    assert browser.get(PATH, headers=member.headers).status_code == 401
    assert browser.get("/instances", headers={"Accept": "text/html"}).status_code == 302


def test_one_jump_that_several_controllers_see_moves_everything_once(
    database: Database,
    member: Person,
    reference: Reference,
    jump: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert member
    (before, *_) = left(database, Token)
    others = [Clock() for _ in range(3)]
    watches = [ClockWatch(database, clock) for clock in others]
    for clock, watch in zip(others, watches, strict=True):
        monkeypatch.setattr(db, "clock", clock)
        watch.look()
    for seconds in (-HOUR, -HOUR, 3 * HOUR):
        reference.ahead += seconds
        for clock, watch in zip(others, watches, strict=True):
            monkeypatch.setattr(db, "clock", clock)
            watch.look()
        assert left(database, Token)[0] == pytest.approx(before, abs=10)
    with database.reading() as session:
        noted = session.get_one(Setting, lifetimes.NOTE).value["seconds"]
    assert noted == pytest.approx(3 * HOUR, abs=5)


def test_what_was_made_in_the_old_time_after_a_jump_back_is_not_believed(
    app: Flask, database: Database, member: Person
) -> None:
    """As by a controller that had not looked yet."""
    browser = app.test_client()
    log_in(browser, member.name)

    def made(moment: datetime) -> list[int]:
        with database.transaction() as session:
            session.execute(update(Token).values(issued_at=moment))
            session.execute(update(BrowserSession).values(created_at=moment))
        page = browser.get("/instances", headers={"Accept": "text/html"})
        return [browser.get(PATH, headers=member.headers).status_code, page.status_code]

    assert made(now() + timedelta(minutes=1)) == [200, 200], "clocks may be a little apart"
    assert made(now() + timedelta(minutes=3)) == [401, 302]
