"""The pages of hosts, and what operators do on them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.support.furnished import Furnished, furnish
from tests.support.pages import get, put_instance, send
from tests.support.people import Person, log_in
from webcloud.db import Database, now
from webcloud.hosts import events
from webcloud.hosts.models import Host
from webcloud.words import join, say


@pytest.fixture
def furnished(database: Database) -> Furnished:
    return furnish(database)


@pytest.fixture
def token(client: FlaskClient, admin: Person, furnished: Furnished) -> str:
    """The operator is logged in; the token of their forms."""
    return log_in(client, admin.name)


@pytest.fixture
def logged_in(token: str, furnished: Furnished) -> Furnished:
    """What is there, for tests that only look."""
    assert token
    return furnished


def host(database: Database, furnished: Furnished) -> Host:
    with database.reading() as session:
        return session.get_one(Host, furnished.host_id)


def change(database: Database, furnished: Furnished, **columns: object) -> None:
    with database.transaction() as session:
        row = session.get_one(Host, furnished.host_id)
        for name, value in columns.items():
            setattr(row, name, value)


def test_a_host_is_closed_and_opened_on_its_page(
    client: FlaskClient, token: str, database: Database, furnished: Furnished
) -> None:
    path = f"/hosts/{furnished.host_id}"
    answer = send(client, f"{path}/disable", token, reason="new disks")
    assert (answer.status_code, answer.location) == (303, path)
    page = get(client, path).text
    assert "Closed for new instances: new disks" in page
    assert "· admin" in page
    assert send(client, f"{path}/enable", token).status_code == 303
    assert host(database, furnished).enabled
    assert "Opened for new instances" in get(client, path, part=True).text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "Ready"),
        ({"last_seen_at": now() - timedelta(minutes=2)}, "Not answering"),
        ({"forced_down": True}, "Said to be down"),
        ({"disk_free": 0}, "Disk nearly full"),
        ({"enabled": False}, "Closed"),
        ({"enabled": False, "last_seen_at": None}, "Not answering, Closed"),
        ({"given_up_at": now(), "enabled": False}, "Given up"),
        ({"draining_since": now(), "enabled": False}, "Draining"),
        ({"draining_since": now(), "emptied_at": now(), "enabled": False}, "Drained"),
    ],
)
def test_every_state_of_a_host_is_a_word_with_an_icon(
    columns: dict[str, object],
    words: str,
    client: FlaskClient,
    logged_in: Furnished,
    database: Database,
) -> None:
    change(database, logged_in, **columns)
    page = get(client, "/hosts").text
    for each in words.split(", "):
        assert f"</svg>{each}</span>" in page


def test_a_silent_host_says_since_when_and_what_to_do(
    client: FlaskClient, token: str, database: Database, furnished: Furnished, admin: Person
) -> None:
    assert token
    since = now() - timedelta(minutes=2)
    change(database, furnished, last_seen_at=since, silent_since=since)
    with database.transaction() as session:
        instance = put_instance(
            session, admin, "db1", furnished.image_id, furnished.host_id,
            observed_power="unknown", observed_at=since,
        )  # fmt: skip
    page = get(client, f"/hosts/{furnished.host_id}").text
    assert "It was last heard from <time" in page
    assert 'data-dialog="give-up"' in page
    page = get(client, f"/instances/{instance.id}").text
    assert "What it does is not known: it was last heard of <time" in page
    assert since.isoformat() in page
    assert since.isoformat() in get(client, "/instances").text


def test_a_host_in_use_is_not_offered_for_removal_and_not_removed(
    client: FlaskClient, token: str, database: Database, furnished: Furnished, admin: Person
) -> None:
    with database.transaction() as session:
        put_instance(session, admin, "db1", furnished.image_id, furnished.host_id)
    path = f"/hosts/{furnished.host_id}"
    page = get(client, path).text
    assert "It is not empty: 1 instances" in page
    assert 'data-dialog="remove"' not in page
    answer = send(client, f"{path}/remove", token)
    assert answer.status_code == 409
    assert "1 instances" in answer.text
    assert host(database, furnished).enabled


def test_an_empty_host_is_removed_on_its_page(
    client: FlaskClient, token: str, furnished: Furnished
) -> None:
    path = f"/hosts/{furnished.host_id}"
    assert send(client, f"{path}/remove", token).location == "/hosts"
    assert get(client, path).status_code == 404
    assert "No host has joined yet" in get(client, "/hosts").text


def test_a_lost_host_is_given_up_on_its_page(
    client: FlaskClient, token: str, database: Database, furnished: Furnished
) -> None:
    path = f"/hosts/{furnished.host_id}"
    assert send(client, f"{path}/give-up", token).status_code == 409
    change(database, furnished, last_seen_at=now() - timedelta(hours=1))
    assert send(client, f"{path}/give-up", token).status_code == 303
    assert host(database, furnished).given_up
    assert send(client, f"{path}/enable", token).status_code == 409


def test_a_form_with_a_field_too_many_is_refused(
    client: FlaskClient, token: str, furnished: Furnished
) -> None:
    for verb in ("enable", "disable", "remove", "give-up"):
        answer = send(client, f"/hosts/{furnished.host_id}/{verb}", token, colour="red")
        assert answer.status_code == 400


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_kind_of_event_has_words(
    language: str, client: FlaskClient, token: str, database: Database, furnished: Furnished
) -> None:
    assert token
    changes = join(", ", [say("{name} from {old} to {new}", name="vcpus", old=4, new=8)])
    details: dict[str, dict[str, object]] = {
        "back": {"seconds": 20},
        "disabled": {"reason": "new disks"},
        "inventory": {"changes": changes},
        "disk_low": {"free": 4.5},
        "disk_enough": {"free": 9.0},
        "rebooted": {"count": 3},
        "drift": {"subject": "web1", "words": say("has no disk on {host}", host="n1")},
        "drift_gone": {"subject": "web1", "words": say("has no disk on {host}", host="n1")},
        "mended": {"what": "bridge", "id": "net-1"},
    }
    with database.transaction() as session:
        row = session.get_one(Host, furnished.host_id)
        for kind in events.WORDS:
            events.record(session, row, kind, "olga", **details.get(kind, {}))
    page = get(client, f"/hosts/{furnished.host_id}", language=language).text
    assert page.count("· olga") == len(events.WORDS)
    assert "{" not in page[page.index('id="happened"') :].split("</section>")[0]
