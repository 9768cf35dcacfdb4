"""The pages of server groups, aggregates and zones, and what the create page says of room."""

from __future__ import annotations

import html
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from tests.support import pages
from tests.support.furnished import Furnished, furnish
from tests.support.people import Person, log_in
from tests.support.rooms import add_host
from tests.support.routes import everything_in
from webcloud.db import Database, new_id, now
from webcloud.hosts import aggregates, zones
from webcloud.hosts.models import Aggregate, Host
from webcloud.instances.models import Instance, Placement, ServerGroup


@pytest.fixture
def furnished(database: Database, admin: Person) -> Furnished:
    return furnish(database)


def browser(app: Flask, person: Person) -> tuple[FlaskClient, str]:
    client = app.test_client()
    return client, log_in(client, person.name)


def group_of(database: Database) -> ServerGroup | None:
    with database.reading() as session:
        return session.scalar(select(ServerGroup))


def test_a_group_is_made_joined_shown_and_deleted(
    app: Flask, member: Person, furnished: Furnished, database: Database
) -> None:
    client, token = browser(app, member)
    assert "No server groups" in pages.get(client, "/server-groups").text
    fields = {"name": "apart", "policy": "anti-affinity", "most_per_host": "2"}
    assert pages.send(client, "/server-groups", token, **fields).status_code == 303
    group = group_of(database)
    assert group is not None
    assert (group.policy, group.most_per_host) == ("anti-affinity", 2)
    assert group.id in pages.get(client, "/instances/new").text
    wanted = {"name": "web", "image_id": furnished.image_id, "flavor_id": "1"}
    made = pages.send(
        client, "/instances", token, **wanted, group_id=group.id, zone="nova", key_mode="none"
    )
    assert made.status_code == 303
    assert "apart" in pages.get(client, made.headers["Location"]).text
    page = pages.get(client, "/server-groups").text
    assert ">web</a>" in page
    assert "At most 2 on one host" in page
    assert pages.send(client, f"/server-groups/{group.id}/delete", token).status_code == 303
    assert group_of(database) is None
    with database.reading() as session:
        instance = session.scalars(select(Instance)).one()
        assert (instance.server_group_id, instance.wishes) == (None, {"zone": "nova"})


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "policy": "affinity"},
        {"name": "g", "policy": "near"},
        {"name": "g", "policy": "affinity", "most_per_host": "2"},
        {"name": "g", "policy": "anti-affinity", "most_per_host": "0"},
    ],
)
def test_a_wrong_group_is_shown_again(
    fields: dict[str, str], app: Flask, member: Person, database: Database
) -> None:
    client, token = browser(app, member)
    assert pages.send(client, "/server-groups", token, **fields).status_code == 400
    assert group_of(database) is None


def test_a_group_or_zone_that_is_gone_is_said_at_its_field(
    app: Flask, member: Person, furnished: Furnished
) -> None:
    client, token = browser(app, member)
    wanted = {"name": "web", "image_id": furnished.image_id, "flavor_id": "1"}
    for field, value in (("group_id", new_id()), ("zone", "mars")):
        answer = pages.send(client, "/instances", token, **wanted, **{field: value})
        assert answer.status_code == 400
        assert f'id="{field}-error"' in answer.text


def test_an_operator_makes_a_zone_and_takes_it_apart(
    app: Flask, admin: Person, furnished: Furnished, database: Database
) -> None:
    client, token = browser(app, admin)
    assert "No aggregates" in pages.get(client, "/aggregates").text
    assert pages.send(client, "/aggregates", token, name="a", zone="z1").status_code == 303
    with database.reading() as session:
        path = f"/aggregates/{session.scalars(select(Aggregate.id)).one()}"
    assert pages.send(client, f"{path}/hosts", token, add="n1").status_code == 303
    assert (
        pages.send(client, f"{path}/properties", token, key="disk", value="ssd").status_code == 303
    )
    page = pages.get(client, "/aggregates").text
    assert "disk=ssd" in page
    with database.reading() as session:
        assert [zone.name for zone in zones.list_zones(session)] == ["z1"]
    assert pages.send(client, f"{path}/delete", token).status_code == 409
    assert pages.send(client, f"{path}/hosts", token, add="n9").status_code == 404
    assert pages.send(client, f"{path}/properties", token, key="a/b").status_code == 400
    assert pages.send(client, f"{path}/properties", token, key="disk").status_code == 303
    assert pages.send(client, f"{path}/hosts", token, remove="n1").status_code == 303
    with database.reading() as session:
        (left,) = aggregates.list_aggregates(session)
        assert left.properties == {"availability_zone": "z1"}
    assert pages.send(client, "/aggregates", token, name="a").status_code == 409
    assert pages.send(client, f"{path}/delete", token).status_code == 303
    with database.reading() as session:
        assert aggregates.list_aggregates(session) == []


def room(client: FlaskClient, furnished: Furnished, language: str = "en", **more: str) -> str:
    chosen = {"image_id": furnished.image_id, "flavor_id": "1", **more}
    query = "&".join(f"{name}={value}" for name, value in chosen.items())
    answer = pages.get(client, f"/instances/new/room?{query}", language=language, part=True)
    assert answer.status_code == 200
    return html.unescape(answer.text)


def test_while_one_chooses_the_page_says_whether_there_is_room_and_names_no_host(
    app: Flask, member: Person, furnished: Furnished, database: Database
) -> None:
    client, _ = browser(app, member)
    before = everything_in(database)
    assert "Choose an image and a flavor" in room(client, furnished, image_id="")
    assert "There is room for it." in room(client, furnished)
    assert "Còn chỗ cho nó." in room(client, furnished, "vi")
    assert "There is no availability zone 'mars'." in room(client, furnished, zone="mars")
    assert "There is no flavor 'huge'." in room(client, furnished, flavor_id="huge")
    assert everything_in(database) == before
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=64))
    told = room(client, furnished)
    assert "No host has 128 MB of memory free; the largest has 64 MB." in told
    assert "n1" not in told


def test_operators_also_see_where_it_would_go_and_why(
    app: Flask, admin: Person, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        add_host(session, "n2", enabled=False)
    client, _ = browser(app, admin)
    told = room(client, furnished)
    assert "It would go to n1" in told
    assert "is disabled (no reason given)" in told
    assert "1 of 2 hosts could take it." in told
    with database.transaction() as session:
        session.execute(update(Host).values(enabled=False))
    assert "What was found about each host" in room(client, furnished)


def test_the_instance_tells_operators_why_it_is_there_and_members_nothing_of_hosts(
    app: Flask, admin: Person, member: Person, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        instance = pages.put_instance(session, member, "web", furnished.image_id, furnished.host_id)
        refused = {"host": "n7", "filter": "zone", "refusal": "is elsewhere"}
        weighed = {"host": "n1", "weights": {"spread": 0.75, "image_cached": 0.5, "older": 1}}
        session.add(
            Placement(
                instance_id=instance.id,
                at=now(),
                host_id=furnished.host_id,
                reasons=[weighed, refused],
                counts={"passed": 1, "zone": 999},
            )
        )
        path = f"/instances/{instance.id}"
    client, _ = browser(app, admin)
    told = " ".join(pages.get(client, path).text.split())
    for words in (
        *("1 of 1000 hosts could take it.", "The best and the first of the others are shown."),
        *("free memory 0.75", "has the image 0.5", "2.25", "is elsewhere", "availability zone"),
    ):
        assert words in told, words
    client, _ = browser(app, member)
    assert "n7" not in pages.get(client, path).text


def test_a_bounded_number_of_hosts_is_kept_with_an_instance(
    furnished: Furnished, member: Person, database: Database
) -> None:
    from webcloud.instances import placing

    with database.transaction() as session:
        for number in range(300):
            add_host(session, f"m{number:03}", enabled=number % 2 == 0)
        instance = pages.put_instance(session, member, "web", furnished.image_id, None)
        placing.place(session, instance, at=now())
        session.flush()
        kept = session.scalars(select(Placement).order_by(Placement.id.desc())).first()
        assert kept is not None
        assert len(kept.reasons) == 100
        assert kept.counts == {"passed": 151, "enabled": 150}
        assert len(json.dumps(kept.reasons)) < 16 * 1024
