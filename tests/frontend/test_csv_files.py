"""Lists as files: every row the reader may see, and nothing that a spreadsheet would calculate."""

from __future__ import annotations

import csv
import io

from flask.testing import FlaskClient

from tests.support import pages
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person, log_in
from webcloud.db import Database

BYTE_ORDER_MARK = "\ufeff"


def rows(client: FlaskClient, path: str) -> list[dict[str, str]]:
    answer = pages.get(client, path)
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    text = answer.get_data(as_text=True)
    assert text.startswith(BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK))))


def put(database: Database, person: Person, furnished: Furnished, *names: str) -> None:
    with database.transaction() as session:
        for name in names:
            pages.put_instance(session, person, name, furnished.image_id, furnished.host_id)


def test_the_file_has_more_rows_than_a_page_and_the_searched_ones_alone(
    client: FlaskClient, database: Database, member: Person
) -> None:
    furnished = furnish(database)
    put(database, member, furnished, *(f"web-{number:02}" for number in range(60)), "db")
    log_in(client, "mai")
    found = rows(client, "/instances/list.csv?q=web&sort=-name")
    assert [row["name"] for row in found] == [f"web-{number:02}" for number in range(59, -1, -1)]
    assert {row["status"] for row in found} == {"ACTIVE"}
    assert "host" not in found[0]
    assert len(rows(client, "/instances/list.csv")) == 61


def test_a_name_that_looks_like_a_formula_stays_a_text(
    client: FlaskClient, database: Database, member: Person
) -> None:
    put(database, member, furnish(database), '=HYPERLINK("http://x")', "+1", "plain, with comma")
    log_in(client, "mai")
    names = {row["name"] for row in rows(client, "/instances/list.csv")}
    assert names == {'\'=HYPERLINK("http://x")', "'+1", "plain, with comma"}


def test_another_projects_instances_are_not_in_the_file_and_operators_see_hosts(
    client: FlaskClient, database: Database, admin: Person, stranger: Person
) -> None:
    furnished = furnish(database)
    put(database, stranger, furnished, "theirs")
    put(database, admin, furnished, "ours")
    log_in(client, "admin")
    (row,) = rows(client, "/instances/list.csv")
    assert row["name"] == "ours"
    assert row["host"]


def test_a_search_that_cannot_be_understood_is_refused(
    client: FlaskClient, database: Database, member: Person
) -> None:
    furnish(database)
    log_in(client, "mai")
    assert pages.get(client, "/instances/list.csv?q=state:nonsense").status_code == 400


def test_images_come_as_a_file(client: FlaskClient, database: Database, member: Person) -> None:
    furnished = furnish(database)
    log_in(client, "mai")
    assert furnished.image_id in {row["id"] for row in rows(client, "/images/list.csv")}
