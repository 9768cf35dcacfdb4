"""A host joins once with a token, then speaks with its own credential."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.support.rooms import fresh_database
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, new_id, now
from webcloud.errors import Conflict, Unauthorized
from webcloud.hosts import agent_api, enrolment
from webcloud.hosts.models import Host, JoinToken
from webcloud.identity import rate_limit

MACHINE = "99999999-9999-4999-8999-999999999999"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with fresh_database(tmp_path).transaction() as opened:
        yield opened


def test_a_token_enrols_one_host_once(session: Session) -> None:
    token = enrolment.make_join_token(session, "n1")
    host, secret = enrolment.join(session, token, MACHINE, 1)
    assert host.name == "n1"
    assert enrolment.authenticate(session, host.id, secret) is host
    host.last_seen_at = now()
    with pytest.raises(enrolment.JoinRefused) as refused:
        enrolment.join(session, token, MACHINE, 1)
    assert refused.value.reason == "used"


def test_an_unknown_token_enrols_nobody(session: Session) -> None:
    with pytest.raises(enrolment.JoinRefused) as refused:
        enrolment.join(session, "guessed", MACHINE, 1)
    assert refused.value.reason == "unknown"


def test_an_agent_killed_before_it_kept_its_secret_joins_again(session: Session) -> None:
    token = enrolment.make_join_token(session, "n1")
    host, lost = enrolment.join(session, token, MACHINE, 1)
    with pytest.raises(Unauthorized):
        enrolment.join(session, token, new_id(), 1)
    again, secret = enrolment.join(session, token, MACHINE, 1)
    assert again is host
    assert enrolment.authenticate(session, host.id, secret) is host
    with pytest.raises(Unauthorized):
        enrolment.authenticate(session, host.id, lost)


def test_an_expired_token_enrols_nobody(session: Session) -> None:
    token = enrolment.make_join_token(session, "n1")
    session.flush()
    session.scalars(select(JoinToken)).one().expires_at = now() - timedelta(seconds=1)
    with pytest.raises(enrolment.JoinRefused) as refused:
        enrolment.join(session, token, MACHINE, 1)
    assert refused.value.reason == "expired"


def test_only_hashes_are_stored(session: Session) -> None:
    token = enrolment.make_join_token(session, "n1")
    host, secret = enrolment.join(session, token, MACHINE, 1)
    session.flush()
    stored = str(session.scalars(select(JoinToken.token_hash)).all()) + host.credential_hash
    assert token not in stored
    assert secret not in stored


def test_joining_again_replaces_the_credential(session: Session) -> None:
    first, old = enrolment.join(session, enrolment.make_join_token(session, "n1"), MACHINE, 1)
    again, new = enrolment.join(session, enrolment.make_join_token(session, "n1"), MACHINE, 1)
    assert again.id == first.id
    with pytest.raises(Unauthorized):
        enrolment.authenticate(session, first.id, old)
    assert enrolment.authenticate(session, first.id, new) is again


def test_another_machine_cannot_take_an_enrolled_name(session: Session) -> None:
    enrolment.join(session, enrolment.make_join_token(session, "n1"), MACHINE, 1)
    with pytest.raises(Conflict):
        enrolment.join(session, enrolment.make_join_token(session, "n1"), new_id(), 1)


def test_a_revoked_credential_is_refused_at_once(session: Session) -> None:
    host, secret = enrolment.join(session, enrolment.make_join_token(session, "n1"), MACHINE, 1)
    enrolment.revoke(session, host)
    with pytest.raises(Unauthorized):
        enrolment.authenticate(session, host.id, secret)


def test_an_unknown_host_is_refused(session: Session) -> None:
    with pytest.raises(Unauthorized):
        enrolment.authenticate(session, new_id(), "secret")


def test_joining_is_audited(session: Session) -> None:
    enrolment.join(session, enrolment.make_join_token(session, "n1"), MACHINE, 1)
    session.flush()
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.action) == ("host:n1", "host.join")
    assert session.scalars(select(Host)).one().name == "n1"


def knock(app: Flask, token: str, machine: str = MACHINE) -> TestResponse:
    body = {"token": token, "name": "claims", "host_uuid": machine, "wire_version": 1}
    return app.test_client().post("/agents/v1/join", json=body)


@pytest.mark.parametrize(
    ("prepare", "reason"), [("nothing", "unknown"), ("use", "used"), ("expire", "expired")]
)
def test_a_refused_join_says_why_and_is_audited(
    prepare: str, reason: str, app: Flask, database: Database
) -> None:
    with database.transaction() as session:
        token = enrolment.make_join_token(session, "n1")
        session.flush()
        row = session.scalars(select(JoinToken)).one()
        if prepare == "use":
            row.used_at = now()
        if prepare == "expire":
            row.expires_at = now() - timedelta(seconds=1)
    answer = knock(app, "guessed" if prepare == "nothing" else token)
    assert answer.status_code == 401
    assert answer.json is not None
    error = answer.json["error"]
    assert (error["code"], error["next_step"][:10]) == ("join_refused", "Make a new")
    with database.reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "host.join_refused")
        ).one()
    assert entry.detail == {"reason": reason, "address": "127.0.0.1", "claims": "claims"}
    assert entry.subject_name == ("claims" if prepare == "nothing" else "n1")
    assert token not in str(entry.__dict__)


def test_another_machine_with_the_name_is_audited_and_its_token_stays_good(
    app: Flask, database: Database
) -> None:
    with database.transaction() as session:
        first = enrolment.make_join_token(session, "n1")
        second = enrolment.make_join_token(session, "n1")
    assert knock(app, first).status_code == 201
    assert knock(app, second, new_id()).status_code == 409
    assert knock(app, second).json["name"] == "n1"  # type: ignore[index]
    with database.reading() as session:
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions[-3:] == ["host.join", "host.join_refused", "host.join"]


def test_guessing_is_ended_before_it_fills_the_audit_log(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_api, "refusals", rate_limit.Attempts(3))
    answers = [knock(app, f"guess{number}").status_code for number in range(6)]
    assert answers == [401, 401, 401, 429, 429, 429]
    with database.reading() as session:
        query = select(AuditEntry).where(AuditEntry.action == "host.join_refused")
        assert len(session.scalars(query).all()) == 3
