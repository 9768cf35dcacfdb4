"""The invariants within the database: I1 to I6."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from webcloud.admin.verify.problem import Problem
from webcloud.conductor.models import OperationRow
from webcloud.consoles.models import ConsoleToken
from webcloud.db import now
from webcloud.hosts.models import Host, HostCommand
from webcloud.identity.models import QuotaUsage
from webcloud.images.models import Image
from webcloud.images.place import whole_gib
from webcloud.instances.models import Instance, ServerGroup
from webcloud.networks.models import Port

INSTANCE_RESOURCES = ("instances", "vcpus", "memory_mb", "disk_gb")


def check(session: Session) -> list[Problem]:
    instances = list(session.scalars(select(Instance)))
    return [
        *_operations(session, instances),
        *_deleted_hold_nothing(session, instances),
        *_quotas(session, instances),
        *_allocations(session, instances),
    ]


def _operations(session: Session, instances: list[Instance]) -> list[Problem]:
    problems = []
    # Read first: what is accepted from now on is not missed by it.
    importing = set(session.scalars(_importing()))
    unfinished = list(
        session.scalars(select(OperationRow).where(OperationRow.finished_at.is_(None)))
    )
    working = {row.subject_id for row in unfinished if row.subject_type == "instance"}
    for row in unfinished:
        if row.deadline_at < now() and not row.deadline_alarmed:
            problems.append(Problem("I1", row.id, "is past its deadline without an alarm"))
    for key, count in Counter((row.subject_type, row.subject_id) for row in unfinished).items():
        if count > 1:
            problems.append(Problem("I3", key[1], f"has {count} unfinished operations"))
    for instance in instances:
        lost = not instance.built and instance.fault is None and instance.deleted_at is None
        if lost and instance.id not in working:
            problems.append(Problem("I2", instance.id, "is being built by no operation"))
        if instance.target_host_id is not None and instance.id not in working:
            problems.append(Problem("I2", instance.id, "is being moved by no operation"))
    unfetched = importing - {row.subject_id for row in unfinished if row.subject_type == "image"}
    # What has ended meanwhile is not importing any more.
    for image_id in session.scalars(_importing().where(Image.id.in_(unfetched))):
        problems.append(Problem("I2", image_id, "is being imported by no operation"))
    known = {row.id for row in unfinished}
    open_commands = session.scalars(
        select(HostCommand).where(
            HostCommand.status == "open", HostCommand.operation_id.is_not(None)
        )
    )
    for command in open_commands:
        if command.operation_id not in known:
            problems.append(Problem("I2", command.id, "is a command of a finished operation"))
    return problems


def _importing() -> Select[Any]:
    return select(Image.id).where(Image.status == "importing")


def _deleted_hold_nothing(session: Session, instances: list[Instance]) -> list[Problem]:
    problems = []
    gone = {instance.id for instance in instances if instance.deleted_at is not None}
    known = {instance.id for instance in instances}
    for instance in instances:
        if instance.id in gone and (instance.host_id or instance.target_host_id):
            problems.append(Problem("I4", instance.id, "is deleted but placed on a host"))
    for port in session.scalars(select(Port).where(Port.instance_id.is_not(None))):
        if port.instance_id in gone or port.instance_id not in known:
            problems.append(Problem("I4", port.id, "belongs to an instance that is gone"))
    for token in session.scalars(select(ConsoleToken)):
        if token.instance_id in gone and token.used_at is None and token.expires_at > now():
            problems.append(Problem("I4", token.instance_id, "is deleted but has a console token"))
    return problems


def _quotas(session: Session, instances: list[Instance]) -> list[Problem]:
    counted: Counter[tuple[str, str]] = Counter()
    for instance in instances:
        if instance.deleted_at is None:
            amounts = (1, instance.vcpus, instance.memory_mb, instance.disk_gb)
            for resource, amount in zip(INSTANCE_RESOURCES, amounts, strict=True):
                counted[instance.project_id, resource] += amount
    for project_id, count in session.execute(
        select(Port.project_id, func.count()).group_by(Port.project_id)
    ):
        counted[project_id, "ports"] = count
    for project_id, count in session.execute(
        select(ServerGroup.project_id, func.count()).group_by(ServerGroup.project_id)
    ):
        counted[project_id, "server_groups"] = count
    for image in session.scalars(select(Image).where(Image.status != "deleted")):
        counted[image.project_id, "images"] += 1
        if image.status == "active":
            counted[image.project_id, "image_gb"] += whole_gib(image.size or 0)
    watched = {*INSTANCE_RESOURCES, "ports", "server_groups", "images", "image_gb"}
    used = {
        (row.project_id, row.resource): row.used
        for row in session.scalars(select(QuotaUsage))
        if row.resource in watched
    }
    return [
        Problem("I5", key[0], f"has {used.get(key, 0)} {key[1]} claimed but {counted[key]} in use")
        for key in sorted({*used, *counted})
        if used.get(key, 0) != counted[key]
    ]


def _allocations(session: Session, instances: list[Instance]) -> list[Problem]:
    problems = []
    for host in session.scalars(select(Host)):
        here = [each for each in instances if host.id in (each.host_id, each.target_host_id)]
        expected = (
            sum(instance.vcpus for instance in here),
            sum(instance.memory_mb for instance in here),
            sum(instance.disk_gb for instance in here),
        )
        stored = (host.allocated_vcpus, host.allocated_memory_mb, host.allocated_disk_gb)
        if stored != expected:
            problems.append(Problem("I6", host.name, f"has {stored} promised, not {expected}"))
    return problems
