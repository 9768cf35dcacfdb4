"""Instance names are unique in a project unless the installation says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.instances.played import accept, furnish
from tests.support.rooms import fresh_database
from webcloud.config import Config
from webcloud.db import Database
from webcloud.errors import Conflict
from webcloud.instances import names, service
from webcloud.instances.models import Instance


@pytest.fixture
def rooms(app: Flask, tmp_path: Path) -> Iterator[Database]:
    yield fresh_database(tmp_path)
    names.configure(Config())


def test_a_second_instance_of_the_same_name_is_refused(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    accept(rooms, caller, image_id)
    with pytest.raises(Conflict, match="already has an instance named 'db1'"):
        accept(rooms, caller, image_id)


def test_an_installation_may_allow_names_twice(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    names.configure(Config(unique_instance_names=False))
    accept(rooms, caller, image_id)
    accept(rooms, caller, image_id)


def test_renaming_to_a_taken_name_is_refused_and_to_its_own_is_not(rooms: Database) -> None:
    caller, image_id = furnish(rooms)
    instance_id, _ = accept(rooms, caller, image_id)

    def rename(session: Session, name: str) -> None:
        service.rename(session, caller, session.get_one(Instance, instance_id), name=name)

    with rooms.transaction() as session:
        rename(session, "db1")
        rename(session, "db2")
    accept(rooms, caller, image_id)
    with pytest.raises(Conflict), rooms.transaction() as session:
        rename(session, "db1")


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("db1", "db1"),
        ("My Web_Server.local", "my-web-server-local"),
        ("--x--", "x"),
        ("máy chủ", "m-y-ch"),
        ("数据库", "server-i"),
        ("a" * 100, "a" * 63),
    ],
)
def test_a_host_name_is_made_from_any_name(name: str, hostname: str) -> None:
    assert names.hostname_from(name, "i") == hostname
