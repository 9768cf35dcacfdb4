"""Flavors: the sizes that instances come in.

Everyone sees public flavors; a private one does not exist for anyone but
operators, who alone make and delete them.  An instance copies its flavor's
figures, so deleting a flavor or changing its properties touches no instance.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.db import new_id, now
from webcloud.errors import BadRequest, Conflict, Forbidden, NotFound
from webcloud.identity.audit_trail import record
from webcloud.identity.callers import Caller
from webcloud.instances.models import Flavor
from webcloud.words import say

# id, name, vCPUs, MiB of memory, GiB of disk
DEFAULTS = (
    ("1", "tiny", 1, 128, 1),
    ("2", "small", 1, 512, 5),
    ("3", "medium", 2, 2048, 20),
    ("4", "large", 4, 8192, 80),
)
MAX_EXTRA_SPECS = 128


def ensure_defaults(session: Session) -> None:
    """Create the default flavors if there is no flavor at all."""
    if session.scalar(select(Flavor.id).limit(1)) is not None:
        return
    for flavor_id, name, vcpus, memory_mb, disk_gb in DEFAULTS:
        session.add(
            Flavor(
                id=flavor_id,
                name=name,
                vcpus=vcpus,
                memory_mb=memory_mb,
                disk_gb=disk_gb,
                extra_specs={},
                created_at=now(),
            )
        )
    session.flush()


def list_flavors(
    session: Session, caller: Caller, *, is_public: bool | None = None
) -> list[Flavor]:
    """The flavors the caller may use, smallest first; ``is_public`` narrows for operators."""
    wanted = select(Flavor).order_by(
        Flavor.memory_mb, Flavor.vcpus, Flavor.disk_gb, Flavor.name, Flavor.id
    )
    if not caller.is_admin:
        wanted = wanted.where(Flavor.is_public.is_(True))
    elif is_public is not None:
        wanted = wanted.where(Flavor.is_public.is_(is_public))
    return list(session.scalars(wanted))


def get_flavor(session: Session, caller: Caller, flavor_id: str) -> Flavor:
    """One flavor by id; raises NotFound also for a private one the caller may not see."""
    flavor = session.get(Flavor, flavor_id)
    if flavor is None or not (flavor.is_public or caller.is_admin):
        raise NotFound(
            say("Flavor {flavor_id} could not be found.", flavor_id=flavor_id[:255]),
            field="flavorRef",
            next_step="List the flavors to see which there are.",
        )
    return flavor


def create_flavor(
    session: Session,
    caller: Caller,
    *,
    name: str,
    vcpus: int,
    memory_mb: int,
    disk_gb: int,
    flavor_id: str | None = None,
    is_public: bool = True,
    description: str = "",
) -> Flavor:
    """A new flavor; raises Conflict when its id or name is taken."""
    _operators_only(caller)
    if flavor_id is not None and session.get(Flavor, flavor_id) is not None:
        raise Conflict(
            say("A flavor with the id {flavor_id} already exists.", flavor_id=flavor_id),
            field="flavor.id",
        )
    if session.scalar(select(Flavor.id).where(Flavor.name == name)) is not None:
        raise Conflict(say("A flavor named {name} already exists.", name=name), field="flavor.name")
    flavor = Flavor(
        id=flavor_id or new_id(),
        name=name,
        vcpus=vcpus,
        memory_mb=memory_mb,
        disk_gb=disk_gb,
        is_public=is_public,
        description=description,
        extra_specs={},
        created_at=now(),
    )
    session.add(flavor)
    session.flush()
    record(session, caller, "flavor.create", flavor)
    return flavor


def describe_flavor(session: Session, caller: Caller, flavor_id: str, description: str) -> Flavor:
    """Change a flavor's description, the one thing about it that may change."""
    _operators_only(caller)
    flavor = get_flavor(session, caller, flavor_id)
    flavor.description = description
    record(session, caller, "flavor.update", flavor)
    return flavor


def delete_flavor(session: Session, caller: Caller, flavor_id: str) -> None:
    """Take a flavor off the list. Instances made from it keep their size."""
    _operators_only(caller)
    flavor = get_flavor(session, caller, flavor_id)
    record(session, caller, "flavor.delete", flavor)
    session.delete(flavor)


def set_extra_specs(
    session: Session, caller: Caller, flavor_id: str, specs: dict[str, str]
) -> dict[str, str]:
    """Add or replace properties; returns those that were given."""
    _operators_only(caller)
    flavor = get_flavor(session, caller, flavor_id)
    merged = {**flavor.extra_specs, **specs}
    if len(merged) > MAX_EXTRA_SPECS:
        raise BadRequest(
            say("A flavor has at most {most} extra specs.", most=MAX_EXTRA_SPECS),
            field="extra_specs",
        )
    flavor.extra_specs = merged
    record(session, caller, "flavor.update", flavor)
    return specs


def delete_extra_spec(session: Session, caller: Caller, flavor_id: str, key: str) -> None:
    """Remove one property; raises NotFound when the flavor has none of that name."""
    _operators_only(caller)
    flavor = get_flavor(session, caller, flavor_id)
    extra_spec(flavor, key)
    flavor.extra_specs = {name: value for name, value in flavor.extra_specs.items() if name != key}
    record(session, caller, "flavor.update", flavor)


def extra_spec(flavor: Flavor, key: str) -> str:
    """One property's value; raises NotFound when the flavor has none of that name."""
    if key not in flavor.extra_specs:
        raise NotFound(
            say("Flavor {flavor_id} has no extra spec {key}.", flavor_id=flavor.id, key=key[:255])
        )
    return str(flavor.extra_specs[key])


def _operators_only(caller: Caller) -> None:
    if not caller.is_admin:
        raise Forbidden("Only operators may change flavors.")
