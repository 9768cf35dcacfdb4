"""Puts an instance on a host: reads what it needs, asks the scheduler, claims the room.

``decide`` only looks.  ``place`` belongs in a step's transaction: it claims
the room on the best host that still has it when its turn comes, and keeps
why.  Which weighers count how much is the installation's choice, made known
once, when the application is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import MappingProxyType

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webcloud.conductor.operation import StepFailed
from webcloud.config import Config
from webcloud.hosts import capacity
from webcloud.images.models import Image
from webcloud.instances import wishes
from webcloud.instances.models import Flavor, Instance, Placement, ServerGroup
from webcloud.instances.wishes import Wishes
from webcloud.scheduler import candidates, rehearsal
from webcloud.scheduler.placement import Decision, choose
from webcloud.scheduler.request import Candidate, Group, Request
from webcloud.scheduler.weighers import Factors

# The names of image properties, OpenStack's of today and of before, first come first.
ARCHITECTURE = ("hw_architecture", "architecture")
HYPERVISOR = ("img_hv_type", "hypervisor_type")

_factors = Factors()


def configure(config: Config) -> None:
    """Take the installation's choice."""
    global _factors
    _factors = Factors(
        spread=config.weight_spread,
        pack=config.weight_pack,
        image_cached=config.weight_image_cached,
        soft_affinity=config.weight_soft_affinity,
    )


def property_of(image: Image | None, names: tuple[str, ...]) -> str:
    """The first of these properties that the image has, else ""."""
    properties = {} if image is None else image.properties
    return next((str(properties[name]) for name in names if properties.get(name)), "")


def request_for(
    session: Session,
    instance: Instance,
    *,
    host_id: str = "",
    supposed: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """What an instance that exists needs now; ``host_id`` when an operator named a host.

    ``supposed`` says where other instances count, by id, if not where they are.
    """
    return request(
        session,
        instance,
        session.get(Image, instance.image_id),
        replace(wishes.kept_with(session, instance), host_id=host_id),
        besides=instance.id,
        supposed=supposed,
    )


def request(
    session: Session,
    size: Flavor | Instance,
    image: Image | None,
    wanted: Wishes,
    *,
    besides: str = "",
    supposed: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """What an instance of this size needs; ``besides`` is its own id, when it has one."""
    return Request(
        vcpus=size.vcpus,
        memory_mb=size.memory_mb,
        disk_gb=size.disk_gb,
        image_id=image.id if image else "",
        architecture=property_of(image, ARCHITECTURE),
        hypervisor=property_of(image, HYPERVISOR),
        zone=wanted.zone,
        aggregate_specs=wanted.aggregate_specs,
        group=_group(session, wanted.group, besides, supposed),
        same_hosts=_hosts_of(session, wanted.same_host, supposed),
        different_hosts=_hosts_of(session, wanted.different_host, supposed),
        host_id=wanted.host_id,
    )


def decide(session: Session, request: Request) -> Decision:
    """Where it would go at this moment, and why; claims nothing."""
    return judge(request, candidates.read(session, request))


def judge(request: Request, hosts: list[Candidate]) -> Decision:
    """The same among these hosts alone."""
    return choose(request, hosts, _factors)


def rehearse(session: Session, request: Request, count: int) -> list[Decision]:
    """The same for ``count`` alike instances, one after the other; see ``rehearsal``."""
    return rehearsal.rehearse(request, candidates.read(session, request), count, _factors)


def claim(session: Session, instance: Instance, decision: Decision) -> Decision:
    """Claim the room on the first host of the ranking that still has it.

    The instance's ``host_id`` is set, or stays None when every claim was
    lost.  The decision that comes back says of each lost host that it was.
    """
    lost: set[str] = set()
    for host_id in decision.ranking:
        if capacity.claim(session, host_id, instance.vcpus, instance.memory_mb, instance.disk_gb):
            instance.host_id = host_id
            break
        lost.add(host_id)
    return decision.without(lost)


def place(session: Session, instance: Instance, *, at: datetime, host_id: str = "") -> Decision:
    """Decide, claim, and keep why, also when there is no host for it.

    The group is locked first, until the end of the transaction: of two of
    its instances the second is placed when the first one's place is known.
    """
    lock_group(session, instance)
    request = request_for(session, instance, host_id=host_id)
    hosts = candidates.read(session, request)
    decision = claim(session, instance, judge(request, hosts))
    zone = next((each.zone for each in hosts if each.host_id == instance.host_id), "")
    decision = replace(decision, zone=zone)
    keep(session, instance.id, decision, at=at, host_id=instance.host_id)
    return decision


def keep(
    session: Session, instance_id: str, decision: Decision, *, at: datetime, host_id: str | None
) -> None:
    """Remember why it went to this host, or to none."""
    session.add(
        Placement(
            instance_id=instance_id,
            at=at,
            host_id=host_id,
            reasons=decision.kept(),
            counts=decision.counts(),
        )
    )


def no_host(instance: Instance, decision: Decision, at: datetime) -> StepFailed:
    """What a step raises that has found none; why is kept although the step is taken back."""
    remember = partial(keep, instance_id=instance.id, decision=decision, at=at, host_id=None)
    return StepFailed("no_capacity", decision.why_none, keep=remember)


def lock_group(session: Session, instance: Instance) -> None:
    """Let no other instance of its server group be placed until this transaction ends."""
    if instance.server_group_id:
        session.execute(
            select(ServerGroup.id)
            .where(ServerGroup.id == instance.server_group_id)
            .with_for_update()
        )


def _group(
    session: Session, group: ServerGroup | None, besides: str, supposed: Mapping[str, str]
) -> Group | None:
    if group is None:
        return None
    # One that is being moved counts where it will be.
    place = func.coalesce(Instance.target_host_id, Instance.host_id)
    members = session.execute(
        select(Instance.id, place).where(
            Instance.server_group_id == group.id,
            Instance.host_id.is_not(None),
            Instance.id != besides,
        )
    )
    placed = Counter(supposed.get(member, host) for member, host in members)
    return Group(group.policy, group.most_per_host or 1, placed)


def _hosts_of(
    session: Session, instance_ids: tuple[str, ...], supposed: Mapping[str, str]
) -> frozenset[str] | None:
    """The hosts where these instances are; None when none was named."""
    if not instance_ids:
        return None
    query = select(Instance.id, Instance.host_id).where(Instance.id.in_(instance_ids))
    found = [supposed.get(each, host_id) for each, host_id in session.execute(query)]
    return frozenset(host_id for host_id in found if host_id)
