"""Tokens against a model of them, on a clock that tests move by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rooms import fresh_database
from webcloud.db import Database
from webcloud.db import now as real_now
from webcloud.identity import expiry, service, tokens
from webcloud.identity.callers import SYSTEM

HOURS = 12
ACTIONS = st.one_of(
    st.tuples(st.just("issue"), st.just(0)),
    st.tuples(st.just("renew"), st.integers(0, 20)),
    st.tuples(st.just("revoke"), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(1, 9)),
    st.tuples(st.just("sweep"), st.just(0)),
)


@dataclass
class Expected:
    """What the model knows of one token."""

    secret: str
    end: datetime
    revoked: bool = False


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.moment = real_now()

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def user_id(database: Database) -> str:
    with database.transaction() as session:
        return service.create_user(session, SYSTEM, name="mai", password_hash=None).id


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fresh_database(tmp_path)
    yield opened
    opened.engine.dispose()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=15))
def test_sec_S75_tokens_live_exactly_as_long_as_the_model_says(
    actions: list[tuple[str, int]], database: Database, user_id: str
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "now", clock)
        known: list[Expected] = []
        for action, number in actions:
            _act((action, number), known, database, user_id, clock)
            with database.reading() as session:
                for one in known:
                    alive = not one.revoked and clock() < one.end
                    assert (tokens.find(session, one.secret) is not None) is alive


def _act(
    what: tuple[str, int],
    known: list[Expected],
    database: Database,
    user_id: str,
    clock: Clock,
) -> None:
    action, number = what
    if action == "wait":
        clock.moment += timedelta(hours=number)
        return
    if action == "sweep":
        expiry.clear(database, clock())
        return
    chosen = known[number % len(known)] if known else None
    with database.transaction() as session:
        if action == "issue":
            secret = tokens.issue(
                session, user_id=user_id, project_id=None, methods=["password"], hours=HOURS
            )
            known.append(Expected(secret, clock() + timedelta(hours=HOURS)))
            return
        valid = tokens.find(session, chosen.secret) if chosen else None
        if chosen is None or valid is None:
            return
        if action == "revoke":
            tokens.revoke(session, valid.token.token_hash)
            chosen.revoked = True
            return
        secret = tokens.issue(
            session,
            user_id=user_id,
            project_id=None,
            methods=["token"],
            hours=HOURS,
            not_after=valid.token.expires_at,
        )
        known.append(Expected(secret, chosen.end))
