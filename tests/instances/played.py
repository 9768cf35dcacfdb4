"""Instances on a host that is played by rows, for tests of rows alone.

``HostSide`` answers each command as done and remembers what the host would
hold.  Where it matters what a host really does, ``scenarios`` has real agents.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.support.fake_hosts import Asked, answer_hosts
from tests.support.operations import Scenario, drive
from tests.support.rooms import add_host, add_project
from webcloud.admin.verify import records
from webcloud.conductor import queries
from webcloud.db import Database, new_id, now
from webcloud.hosts.models import Host
from webcloud.identity import quotas
from webcloud.identity.callers import Caller
from webcloud.images.models import Image
from webcloud.instances import flavors, service
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Instance
from webcloud.networks import service as network_service


class HostSide:
    """What the host holds after the commands it has answered."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.held: set[str] = set()

    def answer(self, command: Asked) -> dict[str, Any]:
        verb = command.verb
        if verb == "ensure_disk_absent":
            self.held -= {"disk", "config_drive"}
        elif verb == "ensure_stopped":
            self.held.discard("running")
        elif verb == "ensure_domain_absent":
            self.held -= {"running", "domain"}
        elif verb == "ensure_running":
            cards = command.payload["domain"]["interfaces"]
            assert {"disk", "config_drive", *(["port"] if cards else [])} <= self.held
            self.held |= {"running", "domain"}
        elif verb == "ensure_defined":
            self.held.add("domain")
        elif verb == "send_disk":
            assert "disk" in self.held
            assert "running" not in self.held, "the disk changes while it is sent"
            return {"size": 4711, "sha256": "5" * 64}
        elif verb == "receive_disk":
            assert command.payload["sha256"] == "5" * 64
            assert "image" in self.held
            self.held.add("disk")
        elif verb.endswith("_absent"):
            self.held.discard(verb.removeprefix("ensure_").removesuffix("_absent"))
        else:
            self.held.add(verb.removeprefix("ensure_"))
        return {}

    def __call__(self) -> None:
        answer_hosts(self.database, self.answer)


def caller_in(session: Session) -> Caller:
    project = add_project(session)
    return Caller(new_id(), "mai", project.id, project.name, frozenset({"member"}))


def furnish(database: Database) -> tuple[Caller, str]:
    """A host, flavors, the default network and an active image; the caller and image id."""
    with database.transaction() as session:
        caller = caller_in(session)
        add_host(session)
        flavors.ensure_defaults(session)
        network_service.ensure_default(session, caller.project_id, "10.9.8.0/24")
        moment = now()
        image = Image(
            id=new_id(),
            name="demo",
            project_id=caller.project_id,
            visibility="public",
            status="active",
            disk_format="qcow2",
            container_format="bare",
            size=1000,
            virtual_size=1000,
            sha256="0" * 64,
            sha512="0" * 128,
            created_at=moment,
            updated_at=moment,
        )
        session.add(image)
        quotas.claim(session, caller.project_id, {"images": 1, "image_gb": 1})
        return caller, image.id


def accept(database: Database, caller: Caller, image_id: str) -> tuple[str, str]:
    """Create one instance through the service: its id and its operation's."""
    with database.transaction() as session:
        form = NewInstance(name="db1", image_id=image_id, flavor_id="1")
        (instance,) = service.create(session, caller, form)
        operation = queries.active_operation(session, "instance", instance.id)
        assert operation is not None
        return instance.id, operation.id


def consistent(session: Session) -> None:
    """No invariant of the database is violated."""
    assert records.check(session) == []


def only(session: Session) -> Instance:
    return session.scalars(select(Instance)).one()


def existing(database: Database, power: str) -> tuple[Caller, str, HostSide]:
    """An instance that has been built and then observed in this power state."""
    caller, image_id = furnish(database)
    host = HostSide(database)
    ids: list[str] = []

    def prepare() -> str:
        instance_id, operation_id = accept(database, caller, image_id)
        ids.append(instance_id)
        return operation_id

    drive(database, Scenario(prepare, consistent, consistent, between_rounds=host))
    if power == "shutoff":
        host.held.discard("running")
        with database.transaction() as session:
            session.get_one(Instance, ids[0]).observed_power = "shutoff"
    return caller, ids[0], host


BUILT = {"image", "network", "port", "disk", "config_drive", "domain", "running"}


class TwoHosts:
    """The hosts of a move, each with what it holds. Never do both run the guest."""

    def __init__(self, database: Database, source: HostSide) -> None:
        self.database = database
        with database.transaction() as session:
            self.source_id = session.scalars(select(Host)).one().id
            self.target_id = add_host(session, "n2").id
        self.sides = {self.source_id: source, self.target_id: HostSide(database)}

    @property
    def source(self) -> set[str]:
        return self.sides[self.source_id].held

    @property
    def target(self) -> set[str]:
        return self.sides[self.target_id].held

    def __call__(self, heard: set[str] | None = None) -> None:
        """Answer for all hosts, or for those alone that are heard."""
        answer_hosts(self.database, lambda each: self.sides[each.host_id].answer(each), heard=heard)
        assert not {"running"} <= self.source & self.target, "two copies run"
