"""An agent of the previous version works with this controller as it did with its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from agents.wire import OLDEST_VERSION
from agents.wire.commands import VERBS_SINCE, ReadConsoleLog
from tests.instances.compute import Compute
from tests.support.furnished import furnish
from tests.support.people import Person
from tests.wire.older_agent import OlderAgent
from webcloud.admin import verify
from webcloud.conductor import steps, taking
from webcloud.db import Database
from webcloud.errors import WebcloudError
from webcloud.hosts import enrolment, questions
from webcloud.hosts.models import Host
from webcloud.images.models import Image

SESSION = Path(__file__).parent / "recorded" / f"v{OLDEST_VERSION}-session.json"


@pytest.fixture
def agent(client: FlaskClient, database: Database) -> OlderAgent:
    """The only host there is, joined by an agent of the previous version."""
    furnish(database)
    with database.transaction() as session:
        session.query(Host).delete()
        token = enrolment.make_join_token(session, "host-1")
    older = OlderAgent(client, SESSION)
    older.join(token)
    return older


@pytest.fixture
def compute(client: FlaskClient, member: Person) -> Compute:
    return Compute(client, member)


def image_of(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(select(Image.id)).one()


def carry_on(database: Database, agent: OlderAgent) -> list[str]:
    """Conductor and agent take turns until neither has anything to do; the verbs done."""
    done: list[str] = []
    while True:
        carried = 0
        while (lease := taking.claim(database, "test")) is not None:
            carried += 1
            while steps.execute(database, lease):
                pass
        verbs = agent.work()
        done += verbs
        if not verbs and not carried:
            return done


def test_it_creates_stops_starts_and_deletes_an_instance(
    database: Database, compute: Compute, agent: OlderAgent
) -> None:
    server = compute.create(image_of(database))
    assert "ensure_running" in carry_on(database, agent)
    assert compute.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"
    assert compute.post(f"/servers/{server}/action", {"os-stop": None}).status_code == 202
    assert carry_on(database, agent) == ["ensure_stopped"]
    assert compute.get(f"/servers/{server}")["server"]["status"] == "SHUTOFF"
    assert compute.post(f"/servers/{server}/action", {"os-start": None}).status_code == 202
    assert "ensure_running" in carry_on(database, agent)
    assert compute.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"
    assert compute.call("DELETE", f"/servers/{server}").status_code == 204
    assert "ensure_disk_absent" in carry_on(database, agent)
    assert compute.call("GET", f"/servers/{server}").status_code == 404
    with database.reading() as session:
        assert session.query(Host).one().wire_version == OLDEST_VERSION
        assert verify.records.check(session) == []


def test_what_it_does_not_know_ends_with_words_on_what_to_update(
    database: Database, compute: Compute, agent: OlderAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in ("ensure_running", "read_console_log"):
        monkeypatch.setitem(VERBS_SINCE, verb, OLDEST_VERSION + 1)
    server = compute.create(image_of(database))
    assert "ensure_running" not in carry_on(database, agent)
    fault = compute.get(f"/servers/{server}")["server"]["fault"]
    assert "Update the agent on that host." in fault["message"]
    with database.reading() as session:
        host_id = session.query(Host).one().id
    with pytest.raises(WebcloudError) as refusal:
        questions.query(database, host_id, ReadConsoleLog(server))
    assert refusal.value.code == "agent_too_old"
