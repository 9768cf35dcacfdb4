"""What an instance wants and where it goes: wishes of the request, the flavor and the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from tests.support.rooms import add_host
from webcloud.conductor import steps, taking
from webcloud.config import Config
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Aggregate, AggregateHost, Host
from webcloud.images.models import Image
from webcloud.instances import placing
from webcloud.instances.models import Flavor, Instance, Placement
from webcloud.scheduler.placement import Decision

GIB = 1024**3


@pytest.fixture
def three(database: Database, furnished: Furnished) -> dict[str, str]:
    """Hosts n1 (emptiest), n2 and n3 with SSDs in zone z1; their ids by name."""
    with database.transaction() as session:
        ids = {"n1": furnished.host_id}
        for name, used in (("n2", 4096), ("n3", 8192)):
            host = add_host(session, name, memory_mb=16384, allocated_memory_mb=used)
            host.architecture = "x86_64"
            ids[name] = host.id
        fast = Aggregate(
            uuid=new_id(),
            name="fast",
            properties={"availability_zone": "z1", "disk": "ssd"},
            created_at=now(),
        )
        session.add(fast)
        session.flush()
        session.add_all(
            AggregateHost(aggregate_id=fast.id, host_id=ids[name]) for name in ("n2", "n3")
        )
        return ids


@pytest.fixture
def settings() -> Iterator[None]:
    """The installation packs."""
    placing.configure(Config(weight_spread=0.0, weight_pack=1.0))
    yield
    placing.configure(Config())


def ask(compute: Compute, image_id: str, name: str = "vm1", **body: Any) -> Any:
    server = {"name": name, "flavorRef": "1", "imageRef": image_id, **body.pop("server", {})}
    return compute.post("/servers", {"server": server, **body})


def placed(database: Database, answer: Any, host_id: str = "") -> str | None:
    """The name of the host that the accepted instance is put on now."""
    return decided(database, answer, host_id)[0]


def decided(database: Database, answer: Any, host_id: str = "") -> tuple[str | None, Decision]:
    """The same, and the decision."""
    assert answer.status_code == 202, answer.text
    with database.transaction() as session:
        instance = session.get_one(Instance, answer.json["server"]["id"])
        decision = placing.place(session, instance, at=now(), host_id=host_id)
        return name_of(session, instance.host_id), decision


def name_of(session: Session, host_id: str | None) -> str | None:
    return session.scalar(select(Host.name).where(Host.id == host_id))


def test_without_wishes_the_emptiest_host_is_taken(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    assert placed(database, ask(compute, furnished.image_id)) == "n1"


def test_the_installation_can_pack_instead(
    compute: Compute,
    three: dict[str, str],
    furnished: Furnished,
    database: Database,
    settings: None,
) -> None:
    assert placed(database, ask(compute, furnished.image_id)) == "n3"


def test_a_zone_is_kept_to(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    answer = ask(compute, furnished.image_id, server={"availability_zone": "z1"})
    assert placed(database, answer) == "n2"
    shown = compute.get(f"/servers/{answer.json['server']['id']}")["server"]
    assert (shown["OS-EXT-AZ:availability_zone"], shown["pinned_availability_zone"]) == ("z1", "z1")


def test_the_chosen_hosts_zone_is_known_although_nobody_asked_for_one(
    compute: Compute,
    three: dict[str, str],
    furnished: Furnished,
    database: Database,
    settings: None,
) -> None:
    """The config drive names it; what is written there is not read from the host again."""
    host, decision = decided(database, ask(compute, furnished.image_id))
    assert (host, decision.zone) == ("n3", "z1")


@pytest.mark.parametrize("wish", ["z1:n3", ":n3", "z1:n3:n3", "z1::n3"])
def test_an_operator_may_name_the_host(
    wish: str, operator: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    answer = ask(operator, furnished.image_id, server={"availability_zone": wish})
    assert placed(database, answer, three["n3"]) == "n3"


def test_a_named_host_outside_the_zone_is_refused(
    operator: Compute, three: dict[str, str], furnished: Furnished
) -> None:
    refused = ask(operator, furnished.image_id, server={"availability_zone": "z1:n1"})
    assert fault(refused)[2].startswith("No suitable host is in availability zone z1.")


def test_what_the_flavor_asks_of_aggregates_is_copied_and_kept_to(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    specs = {"aggregate_instance_extra_specs:disk": "ssd", "hw:other": "x"}
    with database.transaction() as session:
        session.execute(update(Flavor).values(extra_specs=specs))
    answer = ask(compute, furnished.image_id)
    with database.transaction() as session:
        session.execute(update(Flavor).values(extra_specs={}))
    assert placed(database, answer) == "n2"


def test_hosts_that_cannot_run_the_image_are_left_out(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(update(Host).where(Host.name != "n3").values(architecture="aarch64"))
        wants = {"hw_architecture": "x86_64", "architecture": "sparc", "img_hv_type": "qemu"}
        session.execute(update(Image).values(properties=wants))
    assert placed(database, ask(compute, furnished.image_id)) == "n3"
    with database.transaction() as session:
        session.execute(update(Image).values(properties={"architecture": "arm64"}))
        session.execute(update(Host).values(architecture="x86_64"))
    refused = ask(compute, furnished.image_id, "vm2")
    assert fault(refused)[2].startswith("No host can run an image for the architecture aarch64.")


def test_hints_put_instances_together_or_apart(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    first = ask(compute, furnished.image_id)
    assert placed(database, first) == "n1"
    first_id = first.json["server"]["id"]
    apart = ask(
        compute, furnished.image_id, "vm2", **{"os:scheduler_hints": {"different_host": first_id}}
    )
    assert placed(database, apart) == "n2"
    hints = {"same_host": [apart.json["server"]["id"]], "different_host": [first_id]}
    beside = ask(compute, furnished.image_id, "vm3", **{"OS-SCH-HNT:scheduler_hints": hints})
    assert placed(database, beside) == "n2"
    waiting = ask(compute, furnished.image_id, "vm4")
    with_it = {"same_host": waiting.json["server"]["id"]}
    refused = ask(compute, furnished.image_id, "vm5", **{"os:scheduler_hints": with_it})
    assert fault(refused)[2].startswith("No suitable host has the instances that it must be with.")


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"policy": "anti-affinity"}, ["n1", "n2", "n3"]),
        ({"policy": "affinity"}, ["n1", "n1", "n1"]),
        ({"policy": "soft-affinity"}, ["n1", "n1", "n1"]),
        ({"policy": "soft-anti-affinity"}, ["n1", "n2", "n3"]),
        (
            {"policy": "anti-affinity", "rules": {"max_server_per_host": 2}},
            ["n1", "n1", "n2"],
        ),
    ],
)
@pytest.mark.usefixtures("three")
def test_a_server_groups_policy_is_kept_to(
    group: dict[str, Any],
    expected: list[str],
    compute: Compute,
    furnished: Furnished,
    database: Database,
) -> None:
    made = compute.post("/os-server-groups", {"server_group": {"name": "g", **group}})
    hints = {"os:scheduler_hints": {"group": made.json["server_group"]["id"]}}  # type: ignore[index]
    answers = [ask(compute, furnished.image_id, f"vm{n}", **hints) for n in range(3)]
    assert [placed(database, answer) for answer in answers] == expected


def test_a_group_that_is_gone_asks_for_nothing(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    answer = ask(compute, furnished.image_id)
    with database.transaction() as session:
        session.execute(update(Instance).values(server_group_id=new_id()))
    assert placed(database, answer) == "n1"


def test_why_it_is_nowhere_is_kept_although_the_step_is_taken_back(
    compute: Compute, three: dict[str, str], furnished: Furnished, database: Database
) -> None:
    answer = ask(compute, furnished.image_id)
    with database.transaction() as session:
        session.execute(update(Host).values(memory_mb=100, allocated_memory_mb=0))
    lease = taking.claim(database, "worker")
    assert lease is not None
    while steps.execute(database, lease):
        pass
    with database.reading() as session:
        instance = session.get_one(Instance, answer.json["server"]["id"])
        assert instance.host_id is None
        assert (instance.fault or {})["code"] == "no_capacity"
        (kept,) = session.scalars(select(Placement))
        assert (kept.instance_id, kept.host_id) == (instance.id, None)
        assert kept.counts == {"memory": 3}
        assert {each["filter"] for each in kept.reasons} == {"memory"}
