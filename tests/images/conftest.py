"""People who call the image API."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.images.calls import Images
from tests.support.people import Person
from webcloud.config import Config


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, import_allow_private=True)


@pytest.fixture
def images(client: FlaskClient, member: Person) -> Images:
    return Images(client, member)


@pytest.fixture
def operator(client: FlaskClient, admin: Person) -> Images:
    return Images(client, admin)


@pytest.fixture
def outsider(client: FlaskClient, stranger: Person) -> Images:
    return Images(client, stranger)
