"""What the API tells of an operation that has run: its steps, its end, its fault."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from tests.instances.compute import Compute
from tests.support.fake_hosts import answer_hosts
from tests.support.furnished import Furnished
from tests.support.operations import Scenario, drive
from webcloud.conductor.models import OperationRow
from webcloud.db import Database
from webcloud.hosts.models import Host


def run_operation(database: Database) -> OperationRow:
    """Carry out what was accepted, its hosts answering that all went well."""
    with database.reading() as session:
        operation_id = session.scalars(
            select(OperationRow.id).where(OperationRow.finished_at.is_(None))
        ).one()

    def hosts_answer() -> None:
        answer_hosts(database, lambda command: {"power": "running"})

    nothing = lambda session: None  # noqa: E731
    return drive(database, Scenario(lambda: operation_id, nothing, nothing, hosts_answer))


def events(compute: Compute, server_id: str) -> list[dict[str, Any]]:
    path = f"/servers/{server_id}/os-instance-actions"
    action = compute.get(path)["instanceActions"][0]
    found: list[dict[str, Any]] = compute.get(f"{path}/{action['request_id']}")["instanceAction"][
        "events"
    ]
    return found


def test_a_finished_operation_shows_its_steps_in_order(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    server_id = compute.create(furnished.image_id)
    assert run_operation(database).status == "done"
    server = compute.get(f"/servers/{server_id}")["server"]
    assert (server["status"], server["progress"]) == ("ACTIVE", 100)
    assert server["OS-SRV-USG:launched_at"]
    told = events(compute, server_id)
    assert [each["event"] for each in told] == [
        "place",
        "copy_image",
        "build",
    ]
    for event in told:
        assert event["start_time"] <= event["finish_time"]
        assert event["result"] == "Success"
        assert event["hostId"] == server["hostId"]
        assert "host" not in event
    assert events(operator, server_id)[0]["host"] == "n1"
    assert "details" not in events(compute.at("2.83"), server_id)[0]


def test_a_failed_operation_says_why(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    server_id = compute.create(furnished.image_id)
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=64))
    assert run_operation(database).status == "failed"
    server = compute.get(f"/servers/{server_id}")["server"]
    assert server["status"] == "ERROR"
    why = "No host has 128 MB of memory free; the largest has 64 MB."
    assert server["fault"]["message"].startswith(f"no_capacity: {why}")
    assert server["fault"]["created"].endswith("Z")
    action = compute.get(f"/servers/{server_id}/os-instance-actions")["instanceActions"][0]
    assert why in action["message"]
    first = events(compute, server_id)[0]
    assert (first["event"], first["result"]) == ("place", "Error")
    assert why in first["details"]
    for told in (server["fault"]["message"], action["message"], first["details"]):
        assert "n1" not in told, "users do not learn the names of hosts"


def test_listing_by_status_follows_the_operation(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    compute.create(furnished.image_id)

    def listed(status: str) -> int:
        return len(compute.get(f"/servers/detail?status={status}")["servers"])

    assert (listed("BUILD"), listed("ACTIVE")) == (1, 0)
    run_operation(database)
    assert (listed("BUILD"), listed("ACTIVE")) == (0, 1)
    both = compute.get("/servers?status=ACTIVE&status=ERROR")["servers"]
    assert len(both) == 1
