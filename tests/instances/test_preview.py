"""A dry run tells what creating would lead to, and does nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from tests.support.rooms import add_host
from tests.support.routes import everything_in
from webcloud.db import Database
from webcloud.hosts.models import Host
from webcloud.identity import quotas

PATH = "/servers?dry_run=true"


def body(furnished: Furnished, hints: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    server = {"name": "vm", "flavorRef": "1", "imageRef": furnished.image_id, **more}
    return {"server": server, **({"os:scheduler_hints": hints} if hints else {})}


def test_members_are_told_in_one_sentence_whether_there_is_room(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    before = everything_in(database)
    answer = compute.post(PATH, body(furnished))
    assert answer.status_code == 200
    assert answer.json == {"dry_run": {"possible": True, "message": "There is room for it."}}
    assert everything_in(database) == before
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=64))
    assert compute.post(PATH, body(furnished)).json == {
        "dry_run": {
            "possible": False,
            "message": "No host has 128 MB of memory free; the largest has 64 MB.",
        }
    }


def test_operators_are_told_where_it_would_go_and_why(
    operator: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        add_host(session, "n2", enabled=False)
    told = operator.post(PATH, body(furnished)).json["dry_run"]  # type: ignore[index]
    assert told["placements"] == [
        {
            "host": "n1",
            "hosts": [
                {"host": "n1", "weights": {"spread": 1.0, "image_cached": 0.0}},
                {"host": "n2", "filter": "enabled", "refusal": "is disabled (no reason given)"},
            ],
        }
    ]


def test_several_are_placed_one_after_the_other(
    operator: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=300))
        add_host(session, "n2", memory_mb=200)
    told = operator.post(PATH, body(furnished, min_count=3, max_count=3))
    assert [each["host"] for each in told.json["dry_run"]["placements"]] == ["n1", "n2", "n1"]  # type: ignore[index]
    assert told.json["dry_run"]["message"] == "There is room for all."  # type: ignore[index]
    told = operator.post(PATH, body(furnished, min_count=5, max_count=5))
    assert told.json["dry_run"]["possible"] is False  # type: ignore[index]
    assert told.json["dry_run"]["message"] == (  # type: ignore[index]
        "There is room for 3 of 5. No host has 128 MB of memory free; the largest has 72 MB."
    )
    assert told.json["dry_run"]["placements"][3]["host"] is None  # type: ignore[index]


def test_several_of_a_group_are_told_apart(
    compute: Compute, operator: Compute, furnished: Furnished, database: Database
) -> None:
    made = operator.post(
        "/os-server-groups", {"server_group": {"name": "g", "policy": "anti-affinity"}}
    )
    hints = {"group": made.json["server_group"]["id"]}  # type: ignore[index]
    told = operator.post(PATH, body(furnished, hints, min_count=2, max_count=2))
    assert told.json["dry_run"]["message"] == (  # type: ignore[index]
        "There is room for 1 of 2. Every suitable host has as many of the server group's "
        "instances as it may have."
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"flavorRef": "nope"}, "flavorRef"),
        ({"imageRef": "nope"}, "imageRef"),
        ({"key_name": "nope"}, "key_name"),
        ({"availability_zone": "mars"}, "server.availability_zone"),
    ],
)
def test_what_creating_would_refuse_is_refused_the_same_way(
    wrong: dict[str, Any], field: str, compute: Compute, furnished: Furnished
) -> None:
    refused = compute.post(PATH, body(furnished, **wrong))
    assert fault(refused) == fault(compute.post("/servers", body(furnished, **wrong)))
    assert refused.json["badRequest"]["field"] == field  # type: ignore[index]


def test_a_quota_that_would_be_passed_is_said(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, compute.person.project_id, {"vcpus": 0})
    refused = compute.post(PATH, body(furnished))
    assert fault(refused) == fault(compute.post("/servers", body(furnished)))
    assert fault(refused)[0] == "forbidden"
