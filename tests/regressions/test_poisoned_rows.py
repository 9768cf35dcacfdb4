"""A row that somebody or something has damaged: isolated, and everything else goes on."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from agents.wire.commands import EnsureImage, verb_of
from tests.hosts.agents_edge import enrol
from tests.support.furnished import Furnished, furnish
from tests.support.pages import put_instance, put_operation
from tests.support.people import Person, log_in
from tests.support.routes import routes
from webcloud.conductor import queries, starting, steps, taking
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, new_id, now
from webcloud.errors import Unavailable
from webcloud.hosts import questions
from webcloud.hosts.models import HostCommand
from webcloud.instances.models import Instance
from webcloud.instances.operations.create import CreateInstance

# Servers refuse to store what is not JSON; what has the wrong shape they do.
DAMAGES = {
    "operation.kind": "UPDATE operation SET kind = 'thing.unheard_of'",
    "operation.state": "UPDATE operation SET state = '{broken}'",
    "operation.params": "UPDATE operation SET params = '{broken}'",
    "operation.step": "UPDATE operation SET step = 'nowhere'",
    "event.detail": "UPDATE operation_event SET detail = 'not json'",
    "placement.reasons": "UPDATE placement SET reasons = '{broken}'",
    "instance.metadata": "UPDATE instance SET user_metadata = '{broken}'",
    "host.versions": "UPDATE host SET versions = '{broken}', cached_images = '{broken}'",
}
# Servers store no time that is none.
DAMAGED_TIMES = {
    "operation.run_at": "UPDATE operation SET run_at = 'no time'",
    "operation.lease_until": "UPDATE operation SET lease_until = 'no time'",
    "operation.created_at": "UPDATE operation SET created_at = 'no time'",
    "instance.created_at": "UPDATE instance SET created_at = 'no time'",
    "host.last_seen_at": "UPDATE host SET last_seen_at = 'no time'",
}
ONLY_SQLITE = pytest.mark.sqlite("a server stores no time that is none")
EVERY_DAMAGE = [*DAMAGES, *(pytest.param(one, marks=ONLY_SQLITE) for one in DAMAGED_TIMES)]


@pytest.fixture
def furnished(database: Database) -> Furnished:
    return furnish(database)


@pytest.fixture
def instance_id(database: Database, furnished: Furnished, admin: Person) -> str:
    with database.transaction() as session:
        instance = put_instance(session, admin, "web", furnished.image_id, furnished.host_id)
        put_operation(session, instance)
        return instance.id


@pytest.fixture
def known(furnished: Furnished, instance_id: str) -> dict[str, str]:
    """Arguments of addresses that name what there is."""
    return {"instance_id": instance_id, "server_id": instance_id, "host_id": furnished.host_id}


def carry_out(database: Database, count: int) -> None:
    """One worker's turn at each of so many operations."""
    for _ in range(count):
        lease = taking.claim(database, "test")
        assert lease is not None
        while steps.execute(database, lease):
            pass


def damage(database: Database, statement: str) -> None:
    broken = "not json" if database.is_sqlite else "[]"
    with database.transaction() as session:
        session.connection().exec_driver_sql(statement.replace("{broken}", broken))


@pytest.fixture
def no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a host would not say within seconds it does not say at once."""

    def silent(*_: object) -> None:
        raise Unavailable("The host does not answer.")

    monkeypatch.setattr(questions, "_wait_for_answer", silent)


@pytest.mark.usefixtures("no_answers")
@pytest.mark.parametrize("what", EVERY_DAMAGE)
def test_every_page_and_list_is_shown_beside_a_damaged_row(
    what: str, app: Flask, database: Database, admin: Person, known: dict[str, str]
) -> None:
    client = app.test_client()
    log_in(client, admin.name)
    damage(database, (DAMAGES | DAMAGED_TIMES)[what])
    failed = []
    for route in routes(app, known):
        if route.changes or route.websocket or route.is_agents or route.rule == "/healthz":
            continue
        headers = admin.headers if route.is_api else {}
        accept = "application/json" if route.is_api else "text/html"
        answer = route.send(client, **headers, Accept=accept)
        if answer.status_code == 500:
            failed.append(str(route))
    assert failed == []


@pytest.mark.parametrize("what", [one for one in DAMAGES if one.startswith("operation.")])
def test_a_damaged_operation_is_set_aside_with_an_alarm_and_others_are_carried_out(
    what: str, app: Flask, database: Database, furnished: Furnished, admin: Person
) -> None:
    ids = []
    for name in ("bad", "good"):
        with database.transaction() as session:
            instance = put_instance(session, admin, name, furnished.image_id, None, built=False)
            operation = starting.start(
                session, CreateInstance, subject_id=instance.id, params={}, project_id="p"
            )
            ids.append(operation.id)
        if name == "bad":
            damage(database, DAMAGES[what])
    bad, good = ids
    carry_out(database, 2)
    with database.reading() as session:
        why = session.scalar(select(OperationRow.why).where(OperationRow.id == bad))
        assert str(why).startswith("isolated: ")
        assert "alarm" in [event.event for event in queries.events_of(session, bad)]
        assert "done" in [event.event for event in queries.events_of(session, good)]


@ONLY_SQLITE
@pytest.mark.parametrize("column", ["run_at", "lease_until"])
def test_an_operation_whose_times_are_damaged_is_carried_out_with_all_others(
    column: str, database: Database, furnished: Furnished, admin: Person
) -> None:
    with database.transaction() as session:
        for name in ("one", "two"):
            instance = put_instance(session, admin, name, furnished.image_id, None, built=False)
            starting.start(session, CreateInstance, subject_id=instance.id, params={})
    damage(database, DAMAGED_TIMES[f"operation.{column}"])
    assert len(taking.due(database, 5)) == 2
    carry_out(database, 2)
    with database.reading() as session:
        assert set(session.scalars(select(OperationRow.step))) == {"copy_image"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE host_command SET payload = '{broken}' WHERE id = 'bad'",
        "UPDATE host_command SET verb = 'unheard_of' WHERE id = 'bad'",
    ],
)
def test_a_damaged_command_keeps_no_other_from_the_host(
    statement: str, app: Flask, database: Database
) -> None:
    agent = enrol(app, "n1")
    payload = EnsureImage(new_id(), "0" * 64, 1, "raw")
    with database.transaction() as session:
        for command_id in ("bad", "good"):
            session.add(
                HostCommand(
                    id=command_id,
                    host_id=agent.host_id,
                    subject_id=new_id(),
                    verb=verb_of(payload),
                    payload={"image_id": payload.image_id},
                    created_at=now(),
                )
            )
    damage(database, statement)
    answer = agent.get("commands")
    assert answer.status_code == 200
    assert "good" in [command["id"] for command in answer.json["commands"]]


def test_a_list_is_shown_where_one_row_cannot_be_read(
    app: Flask, client: FlaskClient, database: Database, instance_id: str, admin: Person
) -> None:
    log_in(client, admin.name)
    damage(database, DAMAGES["operation.state"])
    with database.reading() as session:
        assert session.get_one(Instance, instance_id).name == "web"
        assert session.scalar(text("SELECT count(*) FROM operation")) == 1
    assert "web" in client.get("/instances", headers={"Accept": "text/html"}).text
