"""What people do on the pages of instances, key pairs and flavors, by their forms."""

from __future__ import annotations

import base64
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.support import pages
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person, log_in
from webcloud.db import Database
from webcloud.identity import quotas
from webcloud.instances.models import Flavor, Instance, KeyPair

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@laptop"


@pytest.fixture
def furnished(database: Database, admin: Person) -> Furnished:
    return furnish(database)


@pytest.fixture
def browser(app: Flask, furnished: Furnished, member: Person) -> FlaskClient:
    client = app.test_client()
    client.token = log_in(client, "mai")  # type: ignore[attr-defined]
    return client


def token(browser: FlaskClient) -> str:
    return str(browser.token)  # type: ignore[attr-defined]


def wanted(furnished: Furnished, **changes: str) -> dict[str, str]:
    fields = {
        "name": "web",
        "image_id": furnished.image_id,
        "flavor_id": "1",
        "network_id": furnished.network_id,
        "key_mode": "none",
    }
    return {**fields, **changes}


def only(database: Database) -> Instance:
    with database.reading() as session:
        return session.scalars(select(Instance)).one()


def count(database: Database, model: type) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_everything_but_the_choice_is_prefilled(browser: FlaskClient, furnished: Furnished) -> None:
    text = pages.get(browser, "/instances/new").text
    assert 'value="vm-1"' in text
    for name, value in (("image_id", furnished.image_id), ("flavor_id", "1")):
        assert re.search(rf'name="{name}" value="{value}"[^>]* checked', text)


def test_the_form_creates_an_instance_and_leads_to_its_page(
    browser: FlaskClient, furnished: Furnished, database: Database
) -> None:
    fields = wanted(furnished, user_data="#!/bin/sh\r\necho hi\r\n", description="the first")
    answer = pages.send(browser, "/instances", token(browser), **fields)
    made = only(database)
    assert answer.status_code == 303
    assert answer.location == f"/instances/{made.id}"
    assert (made.name, made.description, made.key_name) == ("web", "the first", None)
    assert base64.b64decode(made.user_data or "") == b"#!/bin/sh\necho hi\n"
    page = pages.get(browser, answer.location).text
    assert "Choosing a host" in page
    assert "<title>web · Creating" in page


def test_a_form_sent_twice_makes_one_instance(
    browser: FlaskClient, furnished: Furnished, database: Database
) -> None:
    fields = wanted(furnished, idempotency_key="once")
    first = pages.send(browser, "/instances", token(browser), **fields)
    again = pages.send(browser, "/instances", token(browser), **fields)
    assert first.location == again.location
    assert count(database, Instance) == 1


def test_a_pasted_key_is_kept_and_given_to_the_instance(
    browser: FlaskClient, furnished: Furnished, database: Database
) -> None:
    fields = wanted(furnished, key_mode="paste", new_key_name="mine", public_key=KEY)
    assert pages.send(browser, "/instances", token(browser), **fields).status_code == 303
    assert only(database).key_name == "mine"
    assert (only(database).public_key or "").startswith("ssh-ed25519 ")
    assert count(database, KeyPair) == 1


def test_a_form_with_a_pasted_key_may_be_sent_twice(
    browser: FlaskClient, furnished: Furnished, database: Database
) -> None:
    key = {"key_mode": "paste", "new_key_name": "mine", "public_key": KEY}
    fields = wanted(furnished, idempotency_key="once", **key)
    answers = [pages.send(browser, "/instances", token(browser), **fields) for _ in range(2)]
    assert [each.status_code for each in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert (count(database, Instance), count(database, KeyPair)) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 10_000}, "name"),
        ({"name": "a\x07b"}, "name"),
        ({"image_id": "none"}, "image_id"),
        ({"flavor_id": "none"}, "flavor_id"),
        ({"network_id": "none"}, "network_id"),
        ({"user_data": "x" * 70_000}, "user_data"),
        ({"description": "d" * 300}, "description"),
        ({"key_mode": "existing"}, "key_name"),
        ({"key_mode": "existing", "key_name": "none"}, "key_name"),
        ({"key_mode": "paste", "new_key_name": "k", "public_key": "nonsense"}, "public_key"),
        ({"key_mode": "paste", "new_key_name": "", "public_key": KEY}, "new_key_name"),
        ({"key_mode": "generate", "new_key_name": "k"}, "new_key_name"),
    ],
)
def test_an_error_sits_at_its_field_and_nothing_is_made_or_lost(
    browser: FlaskClient,
    furnished: Furnished,
    database: Database,
    changes: dict[str, str],
    field: str,
) -> None:
    fields = wanted(furnished, **{"user_data": "#!/bin/sh", **changes})
    answer = pages.send(browser, "/instances", token(browser), **fields)
    assert 400 <= answer.status_code < 500, answer.text
    assert f'id="{field}-error"' in answer.text
    assert count(database, Instance) == count(database, KeyPair) == 0
    if "user_data" not in changes:
        assert "#!/bin/sh</textarea>" in answer.text


def test_no_capacity_is_said_at_the_flavor(
    browser: FlaskClient, furnished: Furnished, database: Database, member: Person
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, member.project_id, {"memory_mb": -1})
        session.get_one(Flavor, "4").memory_mb = 900_000
    answer = pages.send(browser, "/instances", token(browser), **wanted(furnished, flavor_id="4"))
    assert answer.status_code == 409
    assert 'id="flavor_id-error"' in answer.text
    assert "n1" not in answer.text
    assert count(database, Instance) == 0


def test_an_unknown_field_is_refused(browser: FlaskClient, furnished: Furnished) -> None:
    answer = pages.send(browser, "/instances", token(browser), **wanted(furnished, host="n1"))
    assert answer.status_code == 400
    assert "host" in answer.text


def test_a_flavor_over_the_quota_cannot_be_chosen(
    browser: FlaskClient, database: Database, member: Person
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, member.project_id, {"vcpus": 1})
    text = pages.get(browser, "/instances/new").text
    assert re.search(r'name="flavor_id" value="4"[^>]* disabled', text)
    assert "Over the project&#39;s quota" in text


@pytest.fixture
def running(database: Database, furnished: Furnished, member: Person) -> str:
    with database.transaction() as session:
        return pages.put_instance(session, member, "db1", furnished.image_id, furnished.host_id).id


@pytest.mark.parametrize("action", ["stop", "reboot", "hard_reboot", "delete"])
def test_an_action_starts_its_operation_and_shows_the_page(
    browser: FlaskClient, running: str, action: str
) -> None:
    path = f"/instances/{running}/actions/{action}"
    answer = pages.send(browser, path, token(browser))
    assert (answer.status_code, answer.location) == (303, f"/instances/{running}")
    assert "icon-loader-2" in pages.get(browser, answer.location).text
    unknown = pages.send(browser, f"/instances/{running}/actions/explode", token(browser))
    assert unknown.status_code == 404


def test_deleting_names_what_is_lost_and_where(browser: FlaskClient, running: str) -> None:
    text = pages.get(browser, f"/instances/{running}").text
    assert "Delete db1 and its 1 GB disk · blue" in text
    assert "There is no undo." in text


def test_bulk_actions_answer_for_each_instance(
    browser: FlaskClient, running: str, database: Database, furnished: Furnished, member: Person
) -> None:
    with database.transaction() as session:
        off = pages.put_instance(
            session, member, "off", furnished.image_id, None, observed_power="shutoff"
        ).id
    fields = {"action": "stop", "id": [running, off, "none"]}
    answer = pages.send(browser, "/instances/actions", token(browser), part=True, **fields)
    assert answer.status_code == 200
    assert "1 instance is being stopped." in answer.text
    assert "already stopped" in answer.text
    assert "could not be found" in answer.text
    plain = pages.send(browser, "/instances/actions", token(browser), action="stop")
    assert (plain.status_code, plain.location) == (303, "/instances")
    many = pages.send(browser, "/instances/actions", token(browser), action="stop", id=["x"] * 201)
    assert many.status_code == 400


def test_the_name_and_description_can_be_edited(
    browser: FlaskClient, running: str, database: Database
) -> None:
    path = f"/instances/{running}/edit"
    assert pages.send(browser, path, token(browser), name="db2", description="x").status_code == 303
    assert (only(database).name, only(database).hostname) == ("db2", "guest")
    assert pages.send(browser, path, token(browser), name="").status_code == 400


def test_the_log_of_a_silent_host_says_so(browser: FlaskClient, running: str) -> None:
    text = pages.get(browser, f"/instances/{running}/log").text
    assert "not answering" in text


def test_a_log_shows_no_control_characters() -> None:
    from webcloud.instances.dashboard import _plain

    assert _plain("\x1b[1;31mred\x1b[0m\r\n\x00\x07ok\x1b]0;t\x07\t!") == "red\nok\t!"


def test_another_projects_instance_is_not_there(app: Flask, running: str, stranger: Person) -> None:
    client = app.test_client()
    secret = log_in(client, "stan")
    assert pages.get(client, f"/instances/{running}").status_code == 404
    path = f"/instances/{running}/actions/delete"
    assert pages.send(client, path, secret).status_code == 404
    assert "db1" not in pages.get(client, "/instances").text


def test_key_pairs_are_imported_generated_once_and_deleted(
    browser: FlaskClient, database: Database
) -> None:
    secret = token(browser)
    kept = pages.send(browser, "/key-pairs", secret, name="mine", public_key=KEY)
    assert kept.status_code == 303
    made = pages.send(browser, "/key-pairs/generate", secret, name="fresh")
    assert "BEGIN OPENSSH PRIVATE KEY" in made.text
    assert "PRIVATE KEY" not in pages.get(browser, "/key-pairs").text
    for name in ("mine", "fresh"):
        assert pages.send(browser, f"/key-pairs/{name}/delete", secret).status_code == 303
    assert count(database, KeyPair) == 0


@pytest.mark.parametrize("name", ["", "a/b", "x" * 256, "a\x07"])
def test_a_key_pair_needs_a_good_name(browser: FlaskClient, database: Database, name: str) -> None:
    secret = token(browser)
    answer = pages.send(browser, "/key-pairs", secret, name=name, public_key=KEY)
    assert answer.status_code == 400
    assert pages.send(browser, "/key-pairs/generate", secret, name=name).status_code == 400
    part = pages.send(browser, "/key-pairs/generate", secret, part=True, new_key_name=name)
    assert 'id="new_key_name-error"' in part.text
    assert count(database, KeyPair) == 0


def test_a_key_generated_in_the_create_form_is_chosen_there(browser: FlaskClient) -> None:
    part = pages.send(browser, "/key-pairs/generate", token(browser), part=True, new_key_name="k")
    assert "BEGIN OPENSSH PRIVATE KEY" in part.text
    assert re.search(r'value="existing" checked', part.text)
    assert re.search(r'<option value="k" selected', part.text)


def test_operators_add_and_delete_flavors(
    app: Flask, furnished: Furnished, database: Database
) -> None:
    client = app.test_client()
    secret = log_in(client, "admin")
    size = {"vcpus": "2", "memory_mb": "4096", "disk_gb": "40"}
    assert pages.send(client, "/flavors", secret, name="web", **size).status_code == 303
    assert "web" in pages.get(client, "/flavors").text
    taken = pages.send(client, "/flavors", secret, name="web", **size)
    assert taken.status_code == 409
    wrong = pages.send(client, "/flavors", secret, name="bad", **{**size, "vcpus": "none"})
    assert wrong.status_code == 400
    assert pages.send(client, "/flavors/1/delete", secret).status_code == 303
    assert count(database, Flavor) == 4
