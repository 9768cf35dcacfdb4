"""Draining on its page: what it would do is shown first, then it is begun and stopped."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.furnished import Furnished, furnish
from tests.support.pages import get, put_instance, send
from tests.support.people import Person, log_in
from tests.support.rooms import add_host
from webcloud.db import Database, now
from webcloud.hosts.models import Host


@pytest.fixture
def furnished(database: Database) -> Furnished:
    return furnish(database)


@pytest.fixture
def token(client: FlaskClient, admin: Person, furnished: Furnished, database: Database) -> str:
    """The operator is logged in; db1 runs on n1 and can go to n2."""
    with database.transaction() as session:
        source = session.get_one(Host, furnished.host_id)
        source.wire_version, source.last_seen_at = 2, now()
        add_host(session, "n2", wire_version=2, architecture="x86_64")
        put_instance(session, admin, "db1", furnished.image_id, furnished.host_id)
    return log_in(client, admin.name)


def host(database: Database, furnished: Furnished) -> Host:
    with database.reading() as session:
        return session.get_one(Host, furnished.host_id)


def test_what_a_drain_would_do_is_shown_and_changes_nothing(
    client: FlaskClient, token: str, database: Database, furnished: Furnished
) -> None:
    assert token
    page = get(client, f"/hosts/{furnished.host_id}/drain").text
    assert "Nothing has been changed yet." in page
    assert "Drain n1: move 1 instance" in page
    row = page[page.index("<tbody>") :].split("</tr>")[0]
    for words in ("db1", ">n2</a>", "is shut down, copied and started again", "1 GB"):
        assert words in row
    assert host(database, furnished).enabled


def test_an_instance_that_can_go_nowhere_says_why(
    client: FlaskClient, token: str, database: Database, furnished: Furnished
) -> None:
    assert token
    with database.transaction() as session:
        for each in session.query(Host).filter(Host.name == "n2"):
            each.enabled = False
    page = get(client, f"/hosts/{furnished.host_id}/drain").text
    row = page[page.index("<tbody>") :].split("</tr>")[0]
    assert "nowhere" in row
    assert "stays here" in row
    assert 'class="sub"></span>' not in row


def test_a_drain_is_begun_and_stopped_on_its_page(
    client: FlaskClient, token: str, database: Database, furnished: Furnished
) -> None:
    path = f"/hosts/{furnished.host_id}/drain"
    assert send(client, path, token).location == path
    assert host(database, furnished).draining_since is not None
    page = get(client, path, part=True).text
    assert "Stop draining" in page
    assert "two at a time" in page
    assert "Draining</span>" in get(client, "/hosts").text
    assert send(client, f"{path}/cancel", token).location == path
    assert host(database, furnished).draining_since is None
    for verb in (path, f"{path}/cancel"):
        assert send(client, verb, token, colour="red").status_code == 400


def test_an_empty_host_says_since_when_and_what_can_be_done(
    client: FlaskClient, token: str, database: Database
) -> None:
    assert token
    with database.transaction() as session:
        other = session.query(Host).filter(Host.name == "n2").one()
        other.draining_since = other.emptied_at = now()
        host_id = other.id
    page = get(client, f"/hosts/{host_id}/drain").text
    assert "nothing is on it any more" in page
    assert "can be switched off" in page
    assert "nothing is on it any more" in get(client, f"/hosts/{host_id}").text
