"""The search of the instance list: what people type, and which rows it finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import pages
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person
from webcloud.db import Database
from webcloud.errors import BadRequest
from webcloud.identity.callers import Caller
from webcloud.instances import listing, search
from webcloud.instances.operations.delete import DeleteInstance
from webcloud.instances.operations.stop import StopInstance


@pytest.fixture
def caller(admin: Person) -> Caller:
    return Caller(
        admin.user_id, admin.name, admin.project_id, admin.project_name, frozenset({"admin"})
    )


@pytest.fixture
def furnished(database: Database, admin: Person) -> Furnished:
    """web-1 and web-2 run, db is off, new is being created, bad failed, old is going."""
    there = furnish(database)
    image, host = there.image_id, there.host_id
    with database.transaction() as session:
        for name in ("web-1", "web-2"):
            pages.put_instance(session, admin, name, image, host)
        pages.put_instance(session, admin, "db", image, None, observed_power="shutoff")
        new = pages.put_instance(session, admin, "new", image, host, built=False)
        pages.put_operation(session, new)
        pages.put_instance(
            session, admin, "bad", image, None, built=False, fault={"code": "x", "message": "y"}
        )
        old = pages.put_instance(session, admin, "old", image, host, flavor_name="huge")
        pages.put_operation(session, old, DeleteInstance)
        stopping = pages.put_instance(session, admin, "mail server", image, host)
        pages.put_operation(session, stopping, StopInstance)
    return there


def found(database: Database, caller: Caller, text: str, sort: str = "name") -> list[str]:
    with database.reading() as session:
        rows = listing.read(session, caller, text=text, sort=sort, page=1).rows
        return [row.instance.name for row in rows]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["bad", "db", "mail server", "new", "old", "web-1", "web-2"]),
        ("web", ["web-1", "web-2"]),
        ("WEB -2", ["web-1"]),
        ("name:web -name:1", ["web-2"]),
        ('"mail server"', ["mail server"]),
        ("state:running", ["web-1", "web-2"]),
        ("state:stopped", ["db"]),
        ("state:error", ["bad"]),
        ("state:creating", ["new"]),
        ("state:deleting", ["old"]),
        ("state:stopping", ["mail server"]),
        ("-state:running state:stopped", ["db"]),
        ("-state:running host:n1", ["mail server", "new", "old"]),
        ("host:nowhere", []),
        ("flavor:huge", ["old"]),
        ("image:dem flavor:tiny web", ["web-1", "web-2"]),
        ("100%", []),
        ("it's", []),
    ],
)
def test_a_search_finds_what_it_says(
    database: Database, furnished: Furnished, caller: Caller, text: str, names: list[str]
) -> None:
    assert found(database, caller, text) == names


def test_the_state_searched_for_is_the_state_shown(
    database: Database, furnished: Furnished, caller: Caller
) -> None:
    with database.reading() as session:
        everything = listing.read(session, caller, text="", sort="name", page=1).rows
    for row in everything:
        assert row.instance.name in found(database, caller, f"state:{row.status.look}")


def test_sorting_turns_round_and_an_unknown_order_is_the_newest_first(
    database: Database, furnished: Furnished, caller: Caller
) -> None:
    assert found(database, caller, "web", "-name") == ["web-2", "web-1"]
    assert found(database, caller, "web", "nonsense") == ["web-2", "web-1"]


def test_a_page_past_the_end_is_the_last_one(
    database: Database, furnished: Furnished, caller: Caller
) -> None:
    with database.reading() as session:
        there = listing.read(session, caller, text="", sort="name", page=99)
    assert there.page == there.pages == 1
    assert len(there.rows) == 7


@pytest.mark.parametrize("text", ["foo:bar", "state:nonsense", " ".join(["a"] * 21)])
def test_what_cannot_be_understood_is_an_error_with_the_words_there_are(
    database: Database, furnished: Furnished, caller: Caller, text: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        found(database, caller, text)
    assert refused.value.field == "q"


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        terms = search.parse(text)
    except BadRequest:
        return
    assert len(terms) <= search.MAX_TERMS
