"""Accepts a request for instances: every check and every claim, in one transaction.

Either all of it is written (instance, quota, ports, operation, audit) or
nothing is.  What it refuses, it refuses with the field at fault.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from webcloud.conductor import queries as operations
from webcloud.conductor import starting
from webcloud.db import new_id, now
from webcloud.errors import BadRequest, Conflict, NoCapacity, NotFound
from webcloud.identity import quotas
from webcloud.identity.audit_trail import record_change
from webcloud.identity.callers import Caller
from webcloud.images import queries as images
from webcloud.images.models import Image
from webcloud.instances import beginning, flavors, key_pairs, names, placing, wishes
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Flavor, Instance
from webcloud.instances.operations.create import CreateInstance
from webcloud.instances.wishes import Wishes
from webcloud.networks import queries as networks
from webcloud.networks import service as network_service
from webcloud.networks.models import Network
from webcloud.scheduler.placement import Decision
from webcloud.scheduler.request import Request
from webcloud.words import say, word

GIB = 1024**3


@dataclass(frozen=True)
class Checked:
    """A request whose every part is there and fits together; nothing is claimed yet."""

    flavor: Flavor
    image: Image
    networks: list[Network]
    public_key: str | None
    names: list[str]
    where: Wishes

    @property
    def amounts(self) -> dict[str, int]:
        """What all its instances take of the project's quota."""
        count = len(self.names)
        return {
            "instances": count,
            "vcpus": self.flavor.vcpus * count,
            "memory_mb": self.flavor.memory_mb * count,
            "disk_gb": self.flavor.disk_gb * count,
            "ports": len(self.networks) * count,
        }


def create(
    session: Session,
    caller: Caller,
    form: NewInstance,
    *,
    idempotency_key: str | None = None,
) -> list[Instance]:
    """Accept ``form.count`` alike instances; each begins at once and is built by itself.

    The same idempotency key with the same form returns the instances of the
    first time.  Raises BadRequest, NotFound, Conflict, NoCapacity, QuotaExceeded.
    """
    earlier = replayed(session, caller, form, idempotency_key)
    if earlier:
        return earlier
    key, fingerprint = _key(caller, idempotency_key), _fingerprint(form)
    accepted = checked(session, caller, form)
    flavor, image, where = accepted.flavor, accepted.image, accepted.where
    decision = placing.decide(session, placing.request(session, flavor, image, where))
    if not decision.ranking:
        raise NoCapacity(
            _why_none(caller, decision),
            field="flavorRef",
            next_step="Choose a smaller flavor, or try again when there is room.",
        )
    quotas.claim(session, caller.project_id, accepted.amounts)
    names.confirm_free(session, caller.project_id, accepted.names)
    ids = [new_id() for _ in accepted.names]
    created = []
    for index, name in enumerate(accepted.names):
        instance = _row(
            caller,
            form,
            flavor,
            image,
            public_key=accepted.public_key,
            instance_id=ids[index],
            name=name,
            where=where,
        )
        session.add(instance)
        session.flush()
        for number, network in enumerate(accepted.networks):
            wanted = form.fixed_ips[number] if number < len(form.fixed_ips) else None
            network_service.create_port(
                session, network, caller.project_id, instance.id, address=wanted, claimed=True
            )
        operation = starting.start(
            session,
            CreateInstance,
            subject_id=instance.id,
            **beginning.origin(caller, instance),
            params={"instance_ids": ids, "host_id": where.host_id or None},
            idempotency_key=key if index == 0 else None,
            idempotency_hash=fingerprint if key and index == 0 else None,
            first=True,
        )
        if operation.subject_id != instance.id:
            # The same request was accepted while this one was being checked.
            raise starting.same_request()
        detail = {"flavor": flavor.name, "image": image.id}
        record_change(session, caller, CreateInstance.kind, instance, operation.id, **detail)
        created.append(instance)
    return created


def _why_none(caller: Caller, decision: Decision) -> str:
    """In plain words, and for operators what each host lacks."""
    if not caller.is_admin or not decision.lacks:
        return decision.why_none
    return say("{why} Host by host: {lacks}.", why=word(decision.why_none), lacks=decision.lacks)


def replayed(
    session: Session, caller: Caller, form: NewInstance, idempotency_key: str | None
) -> list[Instance]:
    """What the same request has made before; none when it is new. Raises Conflict."""
    key = _key(caller, idempotency_key)
    earlier = operations.replayed(session, key, _fingerprint(form))
    if earlier is None:
        return []
    return [session.get_one(Instance, each) for each in earlier.params["instance_ids"]]


def _key(caller: Caller, idempotency_key: str | None) -> str | None:
    return f"{caller.project_id}:{idempotency_key}" if idempotency_key else None


def checked(session: Session, caller: Caller, form: NewInstance) -> Checked:
    """Everything about a request but room and quota. Raises as ``create``, writes nothing."""
    flavor = _flavor(session, caller, form.flavor_id)
    image = _image(session, caller, form.image_id, flavor)
    networks_ = _networks(session, caller, form)
    public_key = (
        key_pairs.get_key_pair(session, caller, form.key_name).public_key if form.key_name else None
    )
    names_ = _names(session, caller, form)
    where = wishes.checked(session, caller, form, flavor)
    return Checked(flavor, image, networks_, public_key, names_, where)


def room_request(session: Session, caller: Caller, form: NewInstance) -> Request:
    """What the scheduler is asked for such a request, whatever else is wrong with it."""
    flavor = _flavor(session, caller, form.flavor_id)
    image = _image(session, caller, form.image_id, flavor)
    where = wishes.checked(session, caller, form, flavor)
    return placing.request(session, flavor, image, where)


def _flavor(session: Session, caller: Caller, flavor_id: str) -> Flavor:
    try:
        return flavors.get_flavor(session, caller, flavor_id)
    except NotFound as error:
        raise BadRequest(
            say("There is no flavor {flavor_id!r}.", flavor_id=flavor_id),
            field="flavorRef",
            next_step="Choose one of `openstack flavor list`.",
        ) from error


def _image(session: Session, caller: Caller, image_id: str, flavor: Flavor) -> Image:
    try:
        image = images.get(session, caller, image_id)
    except NotFound as error:
        raise BadRequest(
            say("There is no image {image_id!r}.", image_id=image_id),
            field="imageRef",
            next_step="Choose one of `openstack image list`.",
        ) from error
    if image.status != "active":
        raise Conflict(
            say(
                "Image {name!r} is not ready yet (it is {status}).",
                name=image.name,
                status=word(image.status),
            ),
            field="imageRef",
        )
    needed = max(image.virtual_size or 0, image.min_disk_gb * GIB)
    if image.disk_format != "iso" and needed > flavor.disk_gb * GIB:
        raise BadRequest(
            say(
                "Flavor {name!r} has {disk_gb} GB of disk, but image {image_name!r} needs "
                "{needed_gb} GB.",
                name=flavor.name,
                disk_gb=flavor.disk_gb,
                image_name=image.name,
                needed_gb=-(-needed // GIB),
            ),
            field="flavorRef",
            next_step="Choose a larger flavor.",
        )
    if image.min_memory_mb > flavor.memory_mb:
        raise BadRequest(
            say(
                "Flavor {name!r} has {memory_mb} MB of memory, but image {image_name!r} "
                "needs {needed_mb} MB.",
                name=flavor.name,
                memory_mb=flavor.memory_mb,
                image_name=image.name,
                needed_mb=image.min_memory_mb,
            ),
            field="flavorRef",
            next_step="Choose a larger flavor.",
        )
    return image


def _networks(session: Session, caller: Caller, form: NewInstance) -> list[Network]:
    if form.network_ids is None:
        return [networks.default(session, caller)]
    try:
        return [networks.get(session, caller, each) for each in form.network_ids]
    except NotFound as error:
        raise BadRequest(error.message, field="networks") from error


def _names(session: Session, caller: Caller, form: NewInstance) -> list[str]:
    chosen = [form.name]
    if form.count > 1:
        chosen = [f"{form.name}-{number}" for number in range(1, form.count + 1)]
    for name in chosen:
        names.check_free(session, caller.project_id, name)
    return chosen


def _row(
    caller: Caller,
    form: NewInstance,
    flavor: Flavor,
    image: Image,
    *,
    public_key: str | None,
    instance_id: str,
    name: str,
    where: Wishes,
) -> Instance:
    moment = now()
    return Instance(
        id=instance_id,
        name=name,
        hostname=form.hostname or names.hostname_from(name, instance_id),
        description=form.description,
        project_id=caller.project_id,
        user_id=caller.user_id,
        image_id=image.id,
        image_format=image.disk_format or "raw",
        flavor_id=flavor.id,
        flavor_name=flavor.name,
        vcpus=flavor.vcpus,
        memory_mb=flavor.memory_mb,
        disk_gb=flavor.disk_gb,
        key_name=form.key_name,
        public_key=public_key,
        user_data=form.user_data,
        user_metadata=dict(form.metadata),
        server_group_id=where.group.id if where.group else None,
        wishes=where.as_json(),
        intended_power="running",
        observed_power="absent",
        boot=1,
        built=False,
        created_at=moment,
        updated_at=moment,
    )


def _fingerprint(form: NewInstance) -> str:
    canonical = json.dumps(asdict(form), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
