"""Instance names are unique in a project unless the installation says otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.instances.played import accept, furnish
from tests.support.databases import KINDS, Servers, with_every_table
from tests.support.rooms import fresh_database
from webcloud.config import Config
from webcloud.db import Database
from webcloud.errors import Conflict
from webcloud.identity.callers import Caller
from webcloud.instances import names, queries, service
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Instance


@pytest.fixture
def rooms(app: Flask, tmp_path: Path) -> Iterator[Database]:
    yield fresh_database(tmp_path)
    names.configure(Config())


@pytest.fixture(params=KINDS)
def on_each(
    app: Flask, request: pytest.FixtureRequest, servers: Servers, tmp_path: Path
) -> Iterator[Database]:
    """A database of each kind; the application only registers the operations."""
    own = f"sqlite:///{tmp_path / 'names.db'}"
    with with_every_table(own if request.param == "sqlite" else servers.url(request.param)) as made:
        yield made


def accept_in(session: Session, caller: Caller, image_id: str) -> None:
    service.create(session, caller, NewInstance(name="db1", image_id=image_id, flavor_id="1"))


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


@pytest.mark.parametrize("verb", ["create", "rename"])
def test_of_many_that_take_one_name_at_once_one_gets_it(
    on_each: Database, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they all have found it free before the first one was written."""
    caller, image_id = furnish(on_each)
    with on_each.transaction() as session:
        forms = [NewInstance(name=f"a{each}", image_id=image_id, flavor_id="1") for each in "12"]
        ids = [service.create(session, caller, form)[0].id for form in forms]
    both = threading.Barrier(2)
    real = queries.name_taken

    def found_free_at_once(*asked: Any) -> bool:
        taken = real(*asked)
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return taken

    def take(instance_id: str) -> str:
        try:
            with on_each.transaction() as session:
                if verb == "create":
                    accept_in(session, caller, image_id)
                else:
                    instance = session.get_one(Instance, instance_id)
                    service.rename(session, caller, instance, name="db1")
        except Conflict as refused:
            return refused.field or ""
        return "taken"

    monkeypatch.setattr(queries, "name_taken", found_free_at_once)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, ids)) == ["name", "taken"]


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
