"""What most tests start from: an application on a fresh database, and people in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from tests.support import databases, extent, schemas, sharing
from tests.support.compiled_routes import routes_compiled_once
from tests.support.databases import KINDS, servers
from tests.support.people import Person, make_person
from webcloud.config import Config
from webcloud.db import Database

__all__ = ["routes_compiled_once", "servers"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=KINDS,
        default="sqlite",
        help="the kind of database that tests run on; WEBCLOUD_DATABASE_URL names a server",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Taken away, so that no program under test finds this database by itself.
    schemas.choose(config.getoption("--database"), os.environ.pop("WEBCLOUD_DATABASE_URL", ""))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> sharing.Sharing:
    """How ``-n`` shares the tests among its workers."""
    config.option.loadscopereorder = False
    return sharing.Sharing(config, log)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    extent.write(terminalreporter)


def pytest_unconfigure() -> None:
    schemas.chosen.end()
    databases.running.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what lasts longest; leave out what only SQLite can show, saying why."""
    sharing.longest_first(items)
    if schemas.chosen.kind == "sqlite":
        return
    for item in items:
        only = item.get_closest_marker("sqlite")
        if only is not None:
            item.add_marker(pytest.mark.skip(reason=only.args[0]))


@pytest.fixture(autouse=True)
def databases_end_with_their_test() -> Iterator[None]:
    """What a test took is dropped after it; what was there before it stays."""
    before = set(schemas.chosen.taken)
    yield
    for url in set(schemas.chosen.taken) - before:
        schemas.chosen.drop(url)


@pytest.fixture
def config(tmp_path: Path, cheap_hasher: None) -> Config:
    """Settings whose state ends with the test; the database has every table and ``admin``."""
    (tmp_path / "state" / "controller").mkdir(parents=True)
    return Config(
        state_dir=tmp_path / "state",
        run_dir=tmp_path / "run",
        database_url=schemas.chosen.with_people(tmp_path / "state/controller/webcloud.sqlite"),
        virt="test",
    ).with_defaults_filled()


@pytest.fixture(scope="session")
def cheap_hasher() -> Iterator[None]:
    """Hash passwords as weakly as argon2 allows: tests log in often."""
    from webcloud.identity import passwords

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", PasswordHasher(1, 8, 1))
        passwords._nobody.cache_clear()
        yield


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The whole application on a fresh database, with the user and the project ``admin``."""
    from webcloud import create_app

    application = create_app(config)
    yield application
    application.extensions["webcloud"].database.engine.dispose()


@pytest.fixture
def database(app: Flask) -> Database:
    """The application's database."""
    found: Database = app.extensions["webcloud"].database
    return found


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser, or an API client, that nobody has logged in."""
    return app.test_client()


@pytest.fixture
def admin(app: Flask) -> Person:
    """The operator: role admin in project admin."""
    return make_person(app, "admin", "admin", "admin")


@pytest.fixture
def admin_token(admin: Person) -> str:
    """The operator's API token."""
    return admin.token


@pytest.fixture
def member(app: Flask) -> Person:
    """A member of project blue."""
    return make_person(app, "mai", "member", "blue")


@pytest.fixture
def reader(app: Flask) -> Person:
    """A reader in project blue."""
    return make_person(app, "ryan", "reader", "blue")


@pytest.fixture
def stranger(app: Flask) -> Person:
    """A member of another project, red."""
    return make_person(app, "stan", "member", "red")
