"""Console tokens against the database alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tests.support.console_site import INSTANCE, PROJECT, USER, prepare
from tests.support.rooms import fresh_database
from webcloud.config import Config
from webcloud.consoles import proxy_client, service
from webcloud.consoles.models import ConsoleToken
from webcloud.db import Database, now
from webcloud.errors import BadRequest
from webcloud.identity.callers import Caller
from webcloud.identity.models import User
from webcloud.instances import leaving
from webcloud.instances.models import Instance

BROWSER = Caller(USER, "ada", PROJECT, "lab", frozenset({"member"}), session_hash="s" * 64)


@pytest.fixture
def data(tmp_path: Path) -> Database:
    database = fresh_database(tmp_path)
    prepare(database)
    return database


def _open(data: Database, kind: str = "vnc") -> str:
    with data.transaction() as session:
        return service.open_console(session, BROWSER, session.get_one(Instance, INSTANCE), kind)


def _redeem(data: Database, token: str, kind: str = "vnc", caller: Caller | None = BROWSER) -> str:
    try:
        with data.transaction() as session:
            service.redeem(session, token, kind, caller)
            return ""
    except service.TokenRefused as refused:
        return refused.reason


def test_sec_S25_a_token_of_before_the_clock_jumped_back_opens_nothing(data: Database) -> None:
    token = _open(data)
    with data.transaction() as session:
        session.execute(update(ConsoleToken).values(expires_at=now() + timedelta(hours=1)))
    assert _redeem(data, token) == "token_expired"


def test_sec_S25_of_many_uses_at_once_one_succeeds(data: Database) -> None:
    token = _open(data)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: _redeem(data, token), range(32)))
    assert sorted(results) == ["", *["token_used"] * 31]


def test_a_token_is_refused_for_every_wrong_circumstance(data: Database) -> None:
    token = _open(data)
    stranger = Caller(USER, "ada", PROJECT, "lab", session_hash="t" * 64)
    assert _redeem(data, token, kind="serial") == "token_unknown"
    assert _redeem(data, token, caller=None) == "token_session"
    assert _redeem(data, token, caller=stranger) == "token_session"
    assert _redeem(data, token[:-1]) == "token_unknown"
    for model, key, name, wrong, reason in (
        (User, USER, "enabled", False, "token_session"),
        (Instance, INSTANCE, "boot", 4, "wrong_boot"),
        (Instance, INSTANCE, "deleted_at", now(), "deleted"),
    ):
        with data.transaction() as session:
            before = getattr(session.get_one(model, key), name)
            setattr(session.get_one(model, key), name, wrong)
        assert _redeem(data, token) == reason
        with data.transaction() as session:
            setattr(session.get_one(model, key), name, before)
    assert _redeem(data, token) == ""


def test_a_kind_that_an_instance_does_not_have_is_refused(data: Database) -> None:
    with pytest.raises(BadRequest):
        _open(data, "spice")


def test_the_sweep_removes_what_ended_an_hour_ago(data: Database) -> None:
    tokens = [_open(data), _open(data)]
    with data.transaction() as session:
        row = session.scalars(select(ConsoleToken)).first()
        assert row is not None
        row.expires_at = now() - timedelta(hours=2)
    service.sweep(data)
    with data.reading() as session:
        assert session.scalar(select(func.count()).select_from(ConsoleToken)) == len(tokens) - 1


def test_a_proxy_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(proxy_client.ProxyIsDown) as down:
        proxy_client.health(Config(run_dir=tmp_path))
    assert (down.value.status, down.value.code) == (503, "proxy_down")


def test_a_deleted_instance_leaves_no_token(data: Database) -> None:
    token = _open(data)
    leaving.on_leaving(service.forget)
    with data.transaction() as session:
        leaving.tell(session, "another instance")
    assert len(_hashes(data)) == 1
    with data.transaction() as session:
        leaving.tell(session, INSTANCE)
    assert _hashes(data) == []
    assert _redeem(data, token) == "token_unknown"


def _hashes(data: Database) -> list[str]:
    with data.reading() as session:
        return list(session.scalars(select(ConsoleToken.token_hash)))
