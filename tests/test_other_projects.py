"""What belongs to another project looks exactly like what does not exist.

Every route that names a thing is asked twice by somebody of another project:
once for a real thing of theirs, once for nothing.  The answers must be alike
and nothing may have changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.belongings import give
from tests.support.people import Person, log_in, make_person
from tests.support.routes import Route, everything_in, routes
from webcloud.db import Database
from webcloud.identity.permissions import Who

ASKED = (Who.LOGIN, Who.READER, Who.MEMBER)


@pytest.fixture
def theirs(member: Person, database: Database) -> dict[str, str]:
    """Ids of one of everything in project blue."""
    with database.transaction() as session:
        return give(session, member)


def asked(app: Flask, theirs: dict[str, str]) -> Iterator[tuple[Route, Route]]:
    """Each route that names something of a project: for theirs, and for nothing."""
    for real, none in zip(routes(app, theirs), routes(app), strict=True):
        if real.path != none.path and real.needed in ASKED:
            yield real, none


def test_sec_S59_theirs_looks_like_nothing_and_stays_as_it_was(
    app: Flask, client: FlaskClient, theirs: dict[str, str], stranger: Person, database: Database
) -> None:
    token = log_in(client, stranger.name)
    before = everything_in(database)
    seen = list(asked(app, theirs))
    assert len(seen) > 25
    different = []
    for real, none in seen:
        headers = stranger.headers if real.is_api else {"X-CSRFToken": token}
        statuses = [route.send(client, **headers).status_code for route in (real, none)]
        expected = range(400, 500) if real.changes else (403, 404)
        if statuses[0] != statuses[1] or statuses[0] not in expected:
            different.append(f"{real} {statuses}")
    assert not different, "\n" + "\n".join(different)
    assert everything_in(database) == before


def test_the_same_things_are_there_for_their_owner(
    app: Flask, client: FlaskClient, theirs: dict[str, str], member: Person
) -> None:
    log_in(client, member.name)
    found = 0
    for route, _ in asked(app, theirs):
        if not route.changes:
            answer = route.send(client, **(member.headers if route.is_api else {}))
            assert answer.status_code < 500, str(route)
            found += answer.status_code == 200
    assert found > 12


def test_sec_S59_no_list_shows_what_is_theirs(
    app: Flask, client: FlaskClient, theirs: dict[str, str], stranger: Person, member: Person
) -> None:
    secrets = {
        theirs[name] for name in ("instance_id", "image_id", "port_id", "operation_id", "group_id")
    }

    def shown(person: Person) -> set[str]:
        browser = app.test_client()
        log_in(browser, person.name)
        pages = ""
        for route in routes(app):
            if not route.changes and not route.has_arguments and route.needed in ASKED:
                headers = {"Accept": "text/html", **(person.headers if route.is_api else {})}
                query = {"all_tenants": "True", "project_id": member.project_id, "limit": "50"}
                for asked_for in ({}, query):
                    answer = browser.get(route.path, headers=headers, query_string=asked_for)
                    pages += answer.text
        return {one for one in secrets if one in pages}

    assert shown(member) == secrets
    assert shown(stranger) == set()
    other_role = make_person(app, "rita", "reader", "red")
    assert shown(other_role) == set()
