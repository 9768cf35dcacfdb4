"""What one create costs, from the request to ACTIVE: this fails when it grows."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue

import pytest
from flask import Flask
from sqlalchemy import select

from tests.scale.counting import Counted, counting
from tests.support.whole_cloud import WholeCloud, whole_cloud
from webcloud.conductor import signals
from webcloud.conductor.models import OperationRow
from webcloud.conductor.runner import Conductor
from webcloud.config import Config
from webcloud.db import Database

MOST_MESSAGES, MOST_STATEMENTS = 6, 40


pytestmark = pytest.mark.sqlite("servers lock rows, for which more statements are needed")


@pytest.fixture
def cloud(app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[WholeCloud]:
    """One host. What is done on a timer is not done: only the create is counted."""
    monkeypatch.setattr("agents.channel.POLL_SECONDS", 3600.0)
    monkeypatch.setattr("agents.telling.SWEEP_SECONDS", 3600.0)
    monkeypatch.setattr("agents.telling.INVENTORY_SECONDS", 3600.0)
    with whole_cloud(app, config) as found:
        found.add_host("n1")
        yield found


class Turning:
    """One worker of a conductor, turned by this thread whenever it is rung for."""

    def __init__(self, cloud: WholeCloud) -> None:
        self._conductor = Conductor(cloud.database, 1)
        self._rung: Queue[str] = Queue()
        # Looked at through an engine of its own, which is not counted.
        self._looking = Database(str(cloud.database.engine.url))
        signals.on_accepted(self._rung.put)

    def until_built(self, instance_id: str) -> None:
        while not self._built(instance_id):
            self._conductor.ring(self._rung.get(timeout=60))
            self._conductor._carry_next("test")

    def end(self) -> None:
        signals.forget(self._rung.put)
        self._looking.engine.dispose()

    def _built(self, instance_id: str) -> bool:
        with self._looking.reading() as session:
            row = session.scalars(
                select(OperationRow).where(OperationRow.subject_id == instance_id)
            ).one()
        return row.finished_at is not None


def created(cloud: WholeCloud, name: str) -> Counted:
    turning = Turning(cloud)
    try:
        flavor = cloud.api.flavor("tiny")
        with counting(cloud.database) as counted:
            body = {"name": name, "imageRef": cloud.image_id, "flavorRef": flavor}
            answer = cloud.api.call(
                "POST", "/compute/v2.1/servers", {"server": {**body, "networks": "auto"}}
            )
            server = answer["server"]["id"]
            turning.until_built(server)
    finally:
        turning.end()
    assert cloud.api.show(server)["status"] == "ACTIVE"
    return counted


def test_a_create_stays_within_its_messages_and_statements(cloud: WholeCloud) -> None:
    created(cloud, "first")  # Brings the image to the host, and the network.
    counted = created(cloud, "second")
    assert len(counted.messages) <= MOST_MESSAGES, str(counted)
    assert len(counted.statements) <= MOST_STATEMENTS, str(counted)
