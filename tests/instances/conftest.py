"""A furnished cloud and the people who call its compute API."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.instances.compute import Compute
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person
from webcloud.db import Database


@pytest.fixture
def furnished(database: Database) -> Furnished:
    """One host, one image, one network, the default flavors."""
    return furnish(database)


@pytest.fixture
def compute(client: FlaskClient, furnished: Furnished, member: Person) -> Compute:
    """A member of project blue."""
    return Compute(client, member)


@pytest.fixture
def operator(client: FlaskClient, furnished: Furnished, admin: Person) -> Compute:
    """The operator."""
    return Compute(client, admin)


@pytest.fixture
def outsider(client: FlaskClient, furnished: Furnished, stranger: Person) -> Compute:
    """A member of another project."""
    return Compute(client, stranger)
