"""A disk passes through the controller, between the two hosts that were told so and no others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from agents.wire import codec
from agents.wire.commands import ReceiveDisk, SendDisk, verb_of
from tests.hosts.agents_edge import AgentSide, enrol
from webcloud.audit.models import AuditEntry
from webcloud.conductor import registry, starting
from webcloud.conductor.operation import Done, Operation, Run, Step
from webcloud.config import Config
from webcloud.db import Database, new_id, now
from webcloud.hosts import transfers
from webcloud.hosts.models import HostCommand
from webcloud.hosts.transfers import Transfers

CONTENT = bytes(range(256)) * 40


class Way:
    """One transfer with a host at each end."""

    def __init__(self, app: Flask) -> None:
        self.database: Database = app.extensions["webcloud"].database
        self.id = new_id()
        self.source, self.target, self.other = (enrol(app, name) for name in ("n1", "n2", "n3"))
        self.sending = self.tell(self.source, SendDisk(new_id(), self.id, 1 << 30))

    def tell(self, host: AgentSide, payload: Any) -> str:
        with self.database.transaction() as session:
            row = HostCommand(
                id=new_id(),
                host_id=host.host_id,
                subject_id=payload.instance_id,
                operation_id=self.id,
                generation=2,
                step=verb_of(payload),
                verb=verb_of(payload),
                payload=codec.encode(payload),
                created_at=now(),
            )
            session.add(row)
            return row.id

    def await_it(self) -> str:
        order = ReceiveDisk(new_id(), self.id, new_id(), "raw", 1, len(CONTENT), "0" * 64)
        return self.tell(self.target, order)

    def end(self, command_id: str) -> None:
        with self.database.transaction() as session:
            session.get_one(HostCommand, command_id).status = "done"

    def send(
        self,
        first: int,
        data: bytes,
        *,
        whole: int = len(CONTENT),
        host: AgentSide | None = None,
        span: str = "",
    ) -> TestResponse:
        agent = host or self.source
        span = span or f"bytes {first}-{first + len(data) - 1}/{whole}"
        return agent.client.put(
            f"/agents/v1/transfers/{self.id}",
            data=data,
            headers={**agent.headers, "Content-Range": span},
        )

    def received(self) -> int:
        return int(self.source.get(f"transfers/{self.id}/received").json["received"])


@pytest.fixture
def way(app: Flask) -> Iterator[Way]:
    yield Way(app)


def test_bytes_come_in_pieces_and_go_out_whole_or_from_any_point(way: Way, config: Config) -> None:
    assert way.received() == 0
    assert way.send(0, CONTENT[:4000]).json == {"received": 4000}
    assert way.send(4000, CONTENT[4000:]).json == {"received": len(CONTENT)}
    assert way.received() == len(CONTENT)
    way.await_it()
    assert way.target.get(f"transfers/{way.id}").data == CONTENT
    rest = way.target.client.get(
        f"/agents/v1/transfers/{way.id}", headers={**way.target.headers, "Range": "bytes=9000-"}
    )
    assert (rest.status_code, rest.data) == (206, CONTENT[9000:])
    file = config.transfer_dir / way.id
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_piece_must_go_on_where_the_last_one_ended(way: Way) -> None:
    way.send(0, CONTENT[:100])
    for first in (0, 50, 101):
        assert way.send(first, b"xyz").status_code == 409
    assert way.received() == 100


def test_more_than_was_announced_is_refused(way: Way) -> None:
    assert way.send(0, b"x", whole=(1 << 30) + 1).status_code == 413
    assert way.send(0, b"x", span=f"bytes 0-{20 << 20}/{1 << 19}").status_code == 400
    assert way.send(0, b"x", span=f"bytes 0-{16 << 20}/{1 << 30}").status_code == 413
    for span in ("", "bytes 0-5", "bytes 5-4/10", "bytes 0-10/10", "bytes -1-5/10", "0-5/10"):
        assert way.send(0, b"x", span=span or "nothing").status_code == 400
    # What follows the named span is not looked at.
    assert way.send(0, b"abcdef", span="bytes 0-2/3").json == {"received": 3}


def test_a_host_has_no_part_in_the_transfers_of_others(way: Way) -> None:
    way.send(0, CONTENT)
    way.await_it()
    assert way.send(0, b"x", host=way.target).status_code == 404
    assert way.send(len(CONTENT), b"x", host=way.other).status_code == 404
    for agent in (way.source, way.other):
        assert agent.get(f"transfers/{way.id}").status_code == 404
    assert way.target.get(f"transfers/{way.id}/received").status_code == 404
    with way.database.reading() as session:
        noted = select(AuditEntry.actor).where(AuditEntry.action == "host.foreign_transfer")
        actors = list(session.scalars(noted))
    # A host that goes on trying is written down once.
    assert sorted(actors) == ["host:n1", "host:n2", "host:n3"]


def test_a_command_that_has_ended_opens_nothing(way: Way) -> None:
    way.send(0, CONTENT)
    receiving = way.await_it()
    for command_id in (way.sending, receiving):
        way.end(command_id)
    assert way.send(len(CONTENT), b"x").status_code == 404
    assert way.target.get(f"transfers/{way.id}").status_code == 404


def test_bytes_that_are_gone_are_not_found(way: Way) -> None:
    way.await_it()
    assert way.target.get(f"transfers/{way.id}").status_code == 404


def test_without_a_credential_nothing_is_taken_or_given(app: Flask, way: Way) -> None:
    way.await_it()
    client = app.test_client()
    path = f"/agents/v1/transfers/{way.id}"
    assert client.put(path, data=b"x").status_code == 401
    assert client.get(path).status_code == 401
    assert client.get(f"{path}/received").status_code == 401


def test_a_full_disk_is_said_in_words(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "RESERVE", 1 << 62)
    answer = way.send(0, CONTENT)
    assert answer.status_code == 507
    assert "no room" in answer.json["error"]["message"]
    assert way.received() == 0


def test_a_disk_that_fills_up_meanwhile_is_said_too(tmp_path: Path) -> None:
    here = Transfers(Path("/dev"))
    with pytest.raises(transfers.SpoolFull):
        transfers._write(os.open(here.root / "full", os.O_WRONLY), b"x")
    gone = os.open(tmp_path / "file", os.O_RDONLY | os.O_CREAT)
    with pytest.raises(OSError):
        transfers._write(gone, b"x")
    os.close(gone)


def test_only_ids_name_transfers(tmp_path: Path) -> None:
    here = Transfers(tmp_path)
    for wrong in ("..", "../x", "", "x", new_id().upper()):
        with pytest.raises(transfers.NotFound):
            here.path(wrong)


def test_two_requests_never_write_at_once(tmp_path: Path) -> None:
    here, transfer_id = Transfers(tmp_path), new_id()

    def slow() -> Iterator[bytes]:
        yield b"ab"
        with pytest.raises(transfers.WrongOffset):
            here.append(transfer_id, 2, [b"cd"], 4)
        yield b"cd"

    assert here.append(transfer_id, 0, slow(), 4) == 4
    with pytest.raises(transfers.BadRequest):
        here.append(transfer_id, 4, [b"e"], 4)
    assert here.path(transfer_id).read_bytes() == b"abcd"


def test_what_is_no_plain_file_counts_as_nothing(tmp_path: Path) -> None:
    here, transfer_id = Transfers(tmp_path), new_id()
    here.path(transfer_id).symlink_to("/etc/hostname")
    assert here.received(transfer_id) == 0
    with pytest.raises(OSError):
        here.append(transfer_id, 0, [b"x"], 1)


def wait(run: Run) -> Done:
    return Done()


class Moving(Operation):
    """Any operation: the sweep asks only whether it is unfinished."""

    kind = "test.moving"
    subject_type = "thing"
    words = "Move"
    steps = (Step("go", "Going", wait, no_undo="Nothing."),)


def test_the_sweep_removes_what_no_unfinished_operation_owns(
    app: Flask, database: Database, config: Config
) -> None:
    transfers.sweep(database)
    registry.register(Moving)
    try:
        with database.transaction() as session:
            kept = starting.start(session, Moving, subject_id=new_id(), params={}).id
            ended = starting.start(session, Moving, subject_id=new_id(), params={})
            ended.finished_at = now()
        here = transfers.current()
        assert here.root == config.transfer_dir
        for name in (kept, ended.id, new_id()):
            here.append(name, 0, [b"disk"], 4)
        (here.root / "stray").write_text("x")
        transfers.sweep(database)
        assert here.names() == [kept]
        here.remove(kept)
        here.remove(kept)
        assert here.names() == []
    finally:
        del registry._operations[Moving.kind]


def test_a_process_without_a_place_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_current", [])
    with pytest.raises(LookupError):
        transfers.current()
