"""How each operation on an instance is brought about, for the fault tests.

The hosts are real agents: that rows, files and domains agree is what ``verify``
says after each case, so a scenario only asserts what the verb was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.images import corpus
from tests.support.operations import Scenario, carry_on, drive, never, scenario
from tests.support.rooms import add_project
from tests.support.small_cloud import SmallCloud
from webcloud.conductor import queries
from webcloud.conductor import starting as operations
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.db import new_id, now
from webcloud.hosts import transfers
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.identity.models import QuotaUsage
from webcloud.images import service as image_service
from webcloud.images import uploads
from webcloud.images.forms import NewImage
from webcloud.instances import flavors, moving, reconcile, service
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Instance, Leftover
from webcloud.instances.operations.repair import RepairInstance
from webcloud.networks import service as network_service
from webcloud.networks.models import Port


def caller_in(session: Session) -> Caller:
    project = add_project(session)
    return Caller(new_id(), "mai", project.id, project.name, frozenset({"member"}))


def furnished(cloud: SmallCloud) -> tuple[Caller, str]:
    """A host, flavors, the default network and an active image; the caller and image id."""
    cloud.add_host()
    with cloud.database.transaction() as session:
        caller = caller_in(session)
        flavors.ensure_defaults(session)
        network_service.ensure_default(session, caller.project_id, "10.9.8.0/24")
        image = image_service.create(session, caller, NewImage(name="demo", disk_format="qcow2"))
    uploads.whole(cloud.database, caller, image.id, [corpus.Qcow2().build()], None)
    return caller, image.id


def created(cloud: SmallCloud, caller: Caller, image_id: str) -> tuple[str, str]:
    """Create one instance through the service: its id and its operation's."""
    with cloud.database.transaction() as session:
        form = NewInstance(name="db1", image_id=image_id, flavor_id="1")
        (instance,) = service.create(session, caller, form)
        operation = queries.active_operation(session, "instance", instance.id)
        assert operation is not None
        return instance.id, operation.id


def only(session: Session) -> Instance:
    return session.scalars(select(Instance)).one()


def delete(session: Session, caller: Caller) -> str:
    """The user deletes the only instance; the operation's id."""
    return service.delete(session, caller, only(session))


def gone(session: Session) -> None:
    """The instance holds nothing any more, in the rows."""
    assert only(session).deleted_at is not None
    assert only(session).host_id is None
    assert session.scalars(select(Port)).all() == []
    usage = session.scalars(select(QuotaUsage).where(QuotaUsage.resource.notlike("image%")))
    assert {row.used for row in usage} == {0}
    assert {host.allocated_memory_mb for host in session.scalars(select(Host))} == {0}


@scenario("instance.create")
def creating(cloud: SmallCloud) -> Scenario:
    caller, image_id = furnished(cloud)

    def settled(session: Session) -> None:
        instance = only(session)
        assert instance.built
        assert instance.observed_power == "running"
        assert instance.host_id is not None

    def clean_slate(session: Session) -> None:
        assert only(session).host_id is None
        assert session.scalars(select(Host)).one().allocated_memory_mb == 0

    return Scenario(
        lambda: created(cloud, caller, image_id)[1],
        settled,
        clean_slate,
        cloud.round,
        lambda session: delete(session, caller),
        gone,
    )


def built(cloud: SmallCloud, power: str) -> tuple[Caller, str]:
    """An instance that has been built and is in this power state; the caller and its id."""
    made = creating(cloud)
    assert drive(cloud.database, made).status == "done"
    with cloud.database.reading() as session:
        instance = only(session)
        caller = Caller(instance.user_id, "mai", instance.project_id, "acme", frozenset({"member"}))
    if power == "shutoff":
        stop = verb(cloud, (caller, instance.id), service.stop, "shutoff")
        assert drive(cloud.database, stop).status == "done"
    return caller, instance.id


def verb(
    cloud: SmallCloud,
    whose: tuple[Caller, str],
    begin: Callable[[Session, Caller, Instance], str],
    power: str,
) -> Scenario:
    """A power verb: settled when the host reports this power; never undone."""
    caller, instance_id = whose

    def prepare() -> str:
        with cloud.database.transaction() as session:
            return begin(session, caller, session.get_one(Instance, instance_id))

    def settled(session: Session) -> None:
        instance = session.get_one(Instance, instance_id)
        assert instance.observed_power == power
        assert instance.fault is None

    def kept(session: Session) -> None:
        assert session.get_one(Instance, instance_id).host_id is not None

    return Scenario(
        prepare, settled, kept, cloud.round, lambda session: delete(session, caller), gone
    )


@scenario("instance.start")
def starting(cloud: SmallCloud) -> Scenario:
    return verb(cloud, built(cloud, "shutoff"), service.start, "running")


@scenario("instance.stop")
def stopping(cloud: SmallCloud) -> Scenario:
    return verb(cloud, built(cloud, "running"), service.stop, "shutoff")


@scenario("instance.reboot")
def rebooting(cloud: SmallCloud) -> Scenario:
    return verb(cloud, built(cloud, "running"), service.reboot, "running")


@scenario("instance.hard_reboot")
def rebooting_hard(cloud: SmallCloud) -> Scenario:
    def hard(session: Session, caller: Caller, instance: Instance) -> str:
        return service.reboot(session, caller, instance, hard=True)

    return verb(cloud, built(cloud, "running"), hard, "running")


@scenario("instance.repair")
def repairing(cloud: SmallCloud) -> Scenario:
    """Nothing is missing, so that every case ends with a host that agrees."""

    def begin(session: Session, _caller: Caller, instance: Instance) -> str:
        what = {"what": ["domain", "image", "network"]}
        return operations.start(session, RepairInstance, subject_id=instance.id, params=what).id

    return verb(cloud, built(cloud, "running"), begin, "running")


@scenario("instance.delete")
def deleting(cloud: SmallCloud) -> Scenario:
    caller, _ = built(cloud, "running")

    def prepare() -> str:
        with cloud.database.transaction() as session:
            return delete(session, caller)

    def kept(session: Session) -> None:
        """Deleting is never taken back; asking again ends it."""

    return Scenario(prepare, gone, kept, cloud.round, lambda session: delete(session, caller), gone)


def operator(caller: Caller) -> Caller:
    return replace(caller, roles=frozenset({"admin"}))


def clear_leftovers(cloud: SmallCloud) -> None:
    """What the reconciler does when its time comes, to its end."""
    reconcile.clear_leftovers(cloud.database)
    with cloud.database.reading() as session:
        unfinished = select(OperationRow.id).where(
            OperationRow.kind == "leftover.clear", OperationRow.finished_at.is_(None)
        )
        ids = list(session.scalars(unfinished))
    for operation_id in ids:
        carry_on(cloud.database, Scenario(never, never, never, cloud.round), operation_id)


@scenario("instance.move")
def moving_it(cloud: SmallCloud) -> Scenario:
    caller, instance_id = built(cloud, "running")
    source, target = cloud.hosts[0].id, cloud.add_host().id

    def prepare() -> str:
        with cloud.database.transaction() as session:
            instance = session.get_one(Instance, instance_id)
            return moving.begin(session, operator(caller), instance)

    def moved(session: Session) -> None:
        instance = session.get_one(Instance, instance_id)
        assert (instance.host_id, instance.target_host_id) == (target, None)
        assert (instance.observed_power, instance.fault, instance.boot) == ("running", None, 2)
        assert transfers.current().names() == []
        # A source that could not remove its files keeps nobody waiting.
        assert {each.host_id for each in session.scalars(select(Leftover))} <= {source}
        clear_leftovers(cloud)

    def here_or_there(session: Session) -> None:
        """Before the switch as if nothing had been; after it the target's."""
        instance = session.get_one(Instance, instance_id)
        assert instance.target_host_id is None
        if instance.host_id == source:
            assert instance.observed_power == "running"
            assert session.scalars(select(Leftover)).all() == []
        assert instance.host_id in (source, target)
        transfers.sweep(cloud.database)
        clear_leftovers(cloud)

    def deleted(session: Session) -> None:
        gone(session)
        transfers.sweep(cloud.database)
        clear_leftovers(cloud)

    return Scenario(
        prepare,
        moved,
        here_or_there,
        cloud.round,
        lambda session: delete(session, caller),
        deleted,
    )


@scenario("leftover.clear")
def clearing(cloud: SmallCloud) -> Scenario:
    """The instance has been moved, but its old host did not hear of it any more."""
    given = moving_it(cloud)
    source = cloud.hosts[0]

    def fall_silent(row: OperationRow, _lease: Lease | None) -> None:
        if row.step == "clean_source" and not source.silent:
            source.silent = True
            with cloud.database.transaction() as session:
                session.get_one(Host, source.id).silent_since = now() - timedelta(minutes=5)

    assert drive(cloud.database, given, moment=fall_silent).status == "done"
    source.silent = False
    with cloud.database.transaction() as session:
        session.get_one(Host, source.id).silent_since = None

    def prepare() -> str:
        reconcile.clear_leftovers(cloud.database)
        with cloud.database.reading() as session:
            leftover = session.scalars(select(Leftover)).one()
            operation = queries.active_operation(session, "leftover", leftover.id)
            assert operation is not None
            return operation.id

    def cleared(session: Session) -> None:
        assert session.scalars(select(Leftover)).all() == []
        given.settled(session)

    return Scenario(prepare, cleared, given.settled, cloud.round, given.delete, given.gone)
