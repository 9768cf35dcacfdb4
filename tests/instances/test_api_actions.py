"""Actions on a server, and what was done to it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tests.instances.compute import Compute, fault
from tests.support.fake_hosts import answer_hosts
from tests.support.furnished import Furnished
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.instances import queries
from webcloud.instances.models import Instance


@pytest.fixture
def server_id(compute: Compute, furnished: Furnished, database: Database) -> str:
    """A server that was built and runs."""
    made = compute.create(furnished.image_id)
    at_rest(database, "running", furnished.host_id)
    return made


def at_rest(database: Database, power: str, host_id: str) -> None:
    """End whatever is under way; the host has reported this power."""
    with database.transaction() as session:
        session.execute(delete(OperationRow))
        session.execute(update(Instance).values(built=True, observed_power=power, host_id=host_id))


def act(compute: Compute, server_id: str, body: Any) -> Any:
    return compute.post(f"/servers/{server_id}/action", body)


@pytest.mark.parametrize(
    ("power", "body", "kind"),
    [
        ("shutoff", {"os-start": None}, "instance.start"),
        ("shutoff", {"os-start": {}}, "instance.start"),
        ("running", {"os-stop": None}, "instance.stop"),
        ("running", {"reboot": {"type": "SOFT"}}, "instance.reboot"),
        ("running", {"reboot": {"type": "HARD"}}, "instance.hard_reboot"),
        ("running", {"forceDelete": None}, "instance.delete"),
    ],
)
def test_an_action_starts_its_operation(
    power: str,
    body: dict[str, Any],
    kind: str,
    *,
    compute: Compute,
    server_id: str,
    furnished: Furnished,
    database: Database,
) -> None:
    at_rest(database, power, furnished.host_id)
    answer = act(compute, server_id, body)
    assert (answer.status_code, answer.data) == (202, b"")
    with database.reading() as session:
        assert session.scalars(select(OperationRow.kind)).all() == [kind]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"os-start": None, "os-stop": None},
        {"os-start": "now"},
        {"fly": None},
        {"pause": None},
        {"resize": {"flavorRef": "2"}},
        {"reboot": None},
        {"reboot": {}},
        {"reboot": {"type": "GENTLE"}},
        {"reboot": {"type": "SOFT", "force": True}},
        {"os-getConsoleOutput": {"length": -2}},
        {"os-getConsoleOutput": {"length": "ten"}},
        {"os-getConsoleOutput": {"lines": 10}},
    ],
)
def test_an_action_that_cannot_be_honoured_is_refused(
    body: Any, compute: Compute, server_id: str, database: Database
) -> None:
    assert fault(act(compute, server_id, body))[0] == "badRequest"
    with database.reading() as session:
        assert session.scalars(select(OperationRow)).all() == []


def test_an_action_that_makes_no_sense_now_is_a_conflict(compute: Compute, server_id: str) -> None:
    assert fault(act(compute, server_id, {"os-start": None}))[0] == "conflictingRequest"
    assert act(compute, server_id, {"os-stop": None}).status_code == 202
    for body in ({"os-stop": None}, {"reboot": {"type": "HARD"}}):
        assert fault(act(compute, server_id, body))[0] == "conflictingRequest"


def test_an_instance_that_was_deleted_since_it_was_read_is_left_alone(
    compute: Compute, server_id: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = queries.get

    def read_too_early(session: Session, *given: Any) -> Instance:
        found = read(session, *given)
        gone = update(Instance).values(deleted_at=now(), host_id=None, observed_power="absent")
        session.execute(gone.execution_options(synchronize_session=False))
        return found

    monkeypatch.setattr(queries, "get", read_too_early)
    kind, code, message = fault(act(compute, server_id, {"os-stop": None}))
    assert (kind, code) == ("conflictingRequest", 409)
    assert "being deleted" in message
    with database.reading() as session:
        assert session.scalar(select(OperationRow.id)) is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "one\ntwo\n\tthree"),
        ({"length": None}, "one\ntwo\n\tthree"),
        ({"length": -1}, "one\ntwo\n\tthree"),
        ({"length": 2}, "two\n\tthree"),
        ({"length": "1"}, "\tthree"),
        ({"length": 0}, ""),
    ],
)
def test_the_console_log_is_read_from_the_host(
    arguments: dict[str, Any],
    expected: str,
    *,
    compute: Compute,
    server_id: str,
    database: Database,
) -> None:
    with answering(database, {"output": "one\x1b\x00\ntwo\n\tthree"}):
        answer = act(compute, server_id, {"os-getConsoleOutput": arguments})
    assert answer.status_code == 200
    assert answer.json["output"] == expected


def test_a_host_that_is_silent_is_unavailable_and_not_a_failure(
    compute: Compute, server_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webcloud.hosts import questions

    waited = questions.query
    monkeypatch.setattr(questions, "query", lambda *given: waited(*given, timeout=0.05))
    answer = act(compute, server_id, {"os-getConsoleOutput": {}})
    assert fault(answer)[:2] == ("serviceUnavailable", 503)
    assert answer.headers["Retry-After"]


class answering:  # noqa: N801  (reads as a word in a with statement)
    """While the block runs, the host answers every command with this."""

    def __init__(self, database: Database, result: dict[str, Any]) -> None:
        self.database, self.result = database, result
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._answer)

    def _answer(self) -> None:
        while not self.ended.wait(0.02):
            answer_hosts(self.database, lambda command: self.result)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_failure: object) -> None:
        self.ended.set()
        self.thread.join()


def test_what_was_done_is_listed_newest_first(compute: Compute, furnished: Furnished) -> None:
    made = compute.create(furnished.image_id)
    compute.call("DELETE", f"/servers/{made}")
    actions = compute.get(f"/servers/{made}/os-instance-actions")["instanceActions"]
    assert [each["action"] for each in actions] == ["create"]
    create = actions[0]
    assert create["request_id"].startswith("req-")
    assert create["user_id"] == compute.person.user_id
    path = f"/servers/{made}/os-instance-actions/{create['request_id']}"
    shown = compute.get(path)["instanceAction"]
    assert shown["events"] == []
    assert "traceback" not in str(shown)
    assert fault(compute.call("GET", f"/servers/{made}/os-instance-actions/req-x"))[1] == 404


def test_the_parts_of_a_server_are_listed(compute: Compute, furnished: Furnished) -> None:
    path = f"/servers/{compute.create(furnished.image_id)}"
    card = compute.get(f"{path}/os-interface")["interfaceAttachments"][0]
    assert card["net_id"] == furnished.network_id
    assert card["fixed_ips"][0]["ip_address"] == "10.77.0.10"
    shown = compute.get(f"{path}/os-interface/{card['port_id']}")["interfaceAttachment"]
    assert shown == card
    assert compute.call("GET", f"{path}/os-interface/nope").status_code == 404
    assert list(compute.get(f"{path}/ips")["addresses"]) == ["default"]
    assert compute.get(f"{path}/ips/default")["default"][0]["addr"] == "10.77.0.10"
    assert compute.call("GET", f"{path}/ips/nope").status_code == 404
    assert compute.get(f"{path}/os-volume_attachments") == {"volumeAttachments": []}
    groups = compute.get(f"{path}/os-security-groups")["security_groups"]
    assert [each["name"] for each in groups] == ["default"]
    assert compute.get(f"{path}/tags") == {"tags": []}
