"""What a host that fell into wrong hands can ask and claim: S80, and numbers that break things."""

from __future__ import annotations

import dataclasses
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from agents.wire import codec
from agents.wire.commands import EnsureImage, verb_of
from agents.wire.reports import DomainStates, Inventory, Report
from tests.hosts.agents_edge import AgentSide, enrol
from tests.images.calls import QCOW2, Images
from tests.support.people import Person
from webcloud.audit.models import AuditEntry
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Host, HostCommand

INVENTORY = Inventory("n1", "u", 1, "0.1.0", "qemu", "x86_64", 2, 4096, 10**11, 10**10)


@pytest.fixture
def images(client: FlaskClient, member: Person) -> Images:
    return Images(client, member)


@pytest.fixture
def agent(app: Flask) -> AgentSide:
    return enrol(app, "n1")


def order(database: Database, host_id: str, payload: EnsureImage) -> str:
    with database.transaction() as session:
        row = HostCommand(
            id=new_id(),
            host_id=host_id,
            subject_id=new_id(),
            verb=verb_of(payload),
            payload=codec.encode(payload),
            created_at=now(),
        )
        session.add(row)
        return row.id


def test_sec_S80_a_host_gets_no_image_it_was_not_told_to_have(
    app: Flask, database: Database, images: Images, agent: AgentSide
) -> None:
    image_id, other = images.active(), enrol(app, "n2")
    command_id = order(database, other.host_id, EnsureImage(image_id, "0" * 64, 1, "qcow2"))
    assert agent.get(f"images/{image_id}").status_code == 404
    assert other.get(f"images/{image_id}").get_data() == QCOW2
    with database.reading() as session:
        noted = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "host.foreign_image")
        ).one()
        assert (noted.actor, noted.detail) == ("host:n1", {"id": image_id})
    other.report(Report(command_id, "done"))
    assert other.get(f"images/{image_id}").status_code == 404


@pytest.mark.parametrize("name", ["vcpus", "memory_mb", "disk_total", "disk_free"])
@pytest.mark.parametrize("value", [-1, 2**63])
def test_a_host_cannot_have_impossible_sizes(
    database: Database, agent: AgentSide, name: str, value: int
) -> None:
    answer = agent.put("inventory", dataclasses.replace(INVENTORY, **{name: value}))
    assert answer.status_code == 400
    assert answer.json["error"]["field"] == name
    with database.reading() as session:
        assert session.get_one(Host, agent.host_id).vcpus == 0


def test_a_sequence_beyond_every_column_is_refused(agent: AgentSide) -> None:
    body = codec.encode(DomainStates(run_id="r", sequence=2**63, full=True))
    assert agent.post("domains", body).status_code == 400


def test_progress_and_texts_of_a_report_are_kept_within_bounds(
    database: Database, agent: AgentSide
) -> None:
    command_id = order(database, agent.host_id, EnsureImage(new_id(), "0" * 64, 1, "raw"))
    raw = codec.encode(Report(command_id, "running", progress=7.0))
    body = json.dumps({"reports": [raw]}).replace("7.0", "1e999")
    headers = {**agent.headers, "Content-Type": "application/json"}
    answer = agent.client.post("/agents/v1/reports", data=body, headers=headers)
    assert answer.status_code == 200
    with database.reading() as session:
        assert session.get_one(HostCommand, command_id).progress == 1.0
    agent.report(Report(command_id, "failed", error_code="x" * 999, error_message="y" * 99_999))
    with database.reading() as session:
        row = session.get_one(HostCommand, command_id)
        assert (len(row.error_code), len(row.error_message)) == (64, 4000)


def test_a_hosts_lists_are_kept_short(database: Database, agent: AgentSide) -> None:
    lying = dataclasses.replace(
        INVENTORY,
        versions={f"v{number}": "x" * 99 for number in range(999)},
        cached_images=("x" * 5000, new_id()),
    )
    assert agent.put("inventory", lying).status_code == 200
    with database.reading() as session:
        host = session.get_one(Host, agent.host_id)
        assert len(host.versions) == 64
        assert max(map(len, host.versions.values())) == 64
        assert len(host.cached_images) == 1
