"""Each invariant of the database, broken by hand, is named; the rest stays quiet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.instances.played import accept, existing, furnish
from tests.support.rooms import fresh_database
from webcloud.admin.verify import records, store
from webcloud.conductor.models import OperationRow
from webcloud.consoles.models import ConsoleToken
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Host, HostCommand
from webcloud.identity.models import QuotaUsage
from webcloud.images.models import Image
from webcloud.instances.models import Instance
from webcloud.networks.models import Port


@pytest.fixture
def rooms(app: Flask, tmp_path: Path) -> Database:
    return fresh_database(tmp_path)


@pytest.fixture
def instance_id(rooms: Database) -> str:
    """An instance that was built and runs."""
    return existing(rooms, "running")[1]


def found(database: Database) -> list[str]:
    with database.reading() as session:
        return sorted({problem.invariant for problem in records.check(session)})


def delete_by_hand(session: Session, instance_id: str) -> None:
    session.get_one(Instance, instance_id).deleted_at = now()


def forget_operation(session: Session, instance_id: str) -> None:
    session.get_one(Instance, instance_id).built = False


def leave_a_command(session: Session, instance_id: str) -> None:
    session.execute(update(HostCommand).values(status="open"))


def overuse(session: Session, instance_id: str) -> None:
    session.execute(
        update(QuotaUsage).where(QuotaUsage.resource == "vcpus").values(used=QuotaUsage.used + 1)
    )


def overuse_the_store(session: Session, instance_id: str) -> None:
    session.execute(update(QuotaUsage).where(QuotaUsage.resource == "image_gb").values(used=5))


def lose_an_import(session: Session, instance_id: str) -> None:
    session.scalars(select(Image)).one().status = "importing"


def overpromise(session: Session, instance_id: str) -> None:
    session.scalars(select(Host)).one().allocated_memory_mb += 1


def orphan_a_port(session: Session, instance_id: str) -> None:
    session.scalars(select(Port)).one().instance_id = new_id()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (forget_operation, ["I2"]),
        (leave_a_command, ["I2"]),
        (orphan_a_port, ["I4"]),
        (overuse, ["I5"]),
        (overuse_the_store, ["I5"]),
        (lose_an_import, ["I2", "I5"]),
        (overpromise, ["I6"]),
        (delete_by_hand, ["I4", "I5"]),
    ],
)
def test_damage_is_named_by_its_invariant(
    rooms: Database,
    instance_id: str,
    damage: Callable[[Session, str], None],
    named: list[str],
) -> None:
    assert found(rooms) == []
    with rooms.transaction() as session:
        damage(session, instance_id)
    assert found(rooms) == named


def test_an_overdue_operation_without_an_alarm_is_named(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    _, operation_id = accept(rooms, caller, image_id)
    assert found(rooms) == []
    with rooms.transaction() as session:
        session.get_one(OperationRow, operation_id).deadline_at = now() - timedelta(seconds=1)
    assert found(rooms) == ["I1"]


def test_two_unfinished_operations_of_one_instance_are_named(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    _, operation_id = accept(rooms, caller, image_id)
    with rooms.transaction() as session:
        row = session.get_one(OperationRow, operation_id)
        twin = {
            column.key: getattr(row, column.key)
            for column in OperationRow.__table__.columns
            if column.key not in ("id", "active_key", "idempotency_key")
        }
        session.add(OperationRow(id=new_id(), **twin))
    assert found(rooms) == ["I3"]


def test_a_console_token_of_a_deleted_instance_is_named(rooms: Database, instance_id: str) -> None:
    with rooms.transaction() as session:
        session.add(
            ConsoleToken(
                token_hash="0" * 64,
                instance_id=instance_id,
                user_id=new_id(),
                kind="vnc",
                boot=1,
                expires_at=now() + timedelta(minutes=1),
            )
        )
    assert found(rooms) == []
    with rooms.transaction() as session:
        delete_by_hand(session, instance_id)
        words = [problem.words for problem in records.check(session)]
    assert "is deleted but has a console token" in words


def test_the_store_and_its_rows_must_agree(rooms: Database, tmp_path: Path) -> None:
    _, image_id = furnish(rooms)
    folder = tmp_path / "images"

    def problems() -> list[str]:
        with rooms.reading() as session:
            return [problem.words for problem in store.check(session, folder)]

    def changed() -> list[str]:
        with rooms.reading() as session:
            checksums = store.checksums(session)
        return [f"{each.subject} {each.words}" for each in store.contents(checksums, folder)]

    assert problems() == ["is active but has no file"]
    assert changed() == []
    folder.mkdir()
    (folder / image_id).write_bytes(b"x" * 999)
    assert problems() == ["has a file of the wrong size"]
    (folder / image_id).write_bytes(b"x" * 1000)
    assert problems() == []
    assert changed() == [f"{image_id} has a file with other bytes than were stored"]
    (folder / image_id).unlink()
    (folder / image_id).mkdir()
    assert changed() == [f"{image_id} has a file that cannot be read"]
    (folder / image_id).rmdir()
    (folder / image_id).write_bytes(b"x" * 1000)
    with rooms.transaction() as session:
        session.get_one(Image, image_id).sha256 = hashlib.sha256(b"x" * 1000).hexdigest()
    assert changed() == []
    (folder / new_id()).write_bytes(b"x")
    assert problems() == ["is a file that belongs to no image"]
    with rooms.transaction() as session:
        session.get_one(Image, image_id).status = "deleted"
    assert problems() == ["is a file that belongs to no image"] * 2
